#include "engine/dynamics/chain.h"

#include <math.h>

/* w = 1 / (2 - 2^(1/3)), 1 - 2w, w. */
static const double WEIGHTS[3] = {1.3512071919596578, -1.7024143839193153, 1.3512071919596578};

static double mass(const qn_chain_bath *bath, int link) {
  return (link == 0 ? bath->freedom : 1.0) * bath->kt * bath->time * bath->time;
}

/* What drives a link: the excess of the kinetic energy below it, over the link's mass, 1/ps^2. */
static double drive(const qn_chain *chain, const qn_chain_bath *bath, int link, double twice_kinetic) {
  if (link == 0) return (twice_kinetic - bath->freedom * bath->kt) / mass(bath, 0);
  double below = chain->rate[link - 1];
  return (mass(bath, link - 1) * below * below - bath->kt) / mass(bath, link);
}

static void kick(qn_chain *chain, const qn_chain_bath *bath, int link, double twice_kinetic, double time) {
  double friction = link + 1 < QN_CHAIN_LENGTH ? exp(-0.5 * time * chain->rate[link + 1]) : 1.0;
  chain->rate[link] = (chain->rate[link] * friction + time * drive(chain, bath, link, twice_kinetic)) * friction;
}

double qn_chain_advance(qn_chain *chain, const qn_chain_bath *bath, double twice_kinetic, double time) {
  double scale = 1.0;
  for (int w = 0; w < 3; w++) {
    double step = WEIGHTS[w] * time;
    for (int link = QN_CHAIN_LENGTH - 1; link >= 0; link--)
      kick(chain, bath, link, scale * scale * twice_kinetic, 0.5 * step);
    scale *= exp(-step * chain->rate[0]);
    for (int link = 0; link < QN_CHAIN_LENGTH; link++) chain->position[link] += step * chain->rate[link];
    for (int link = 0; link < QN_CHAIN_LENGTH; link++)
      kick(chain, bath, link, scale * scale * twice_kinetic, 0.5 * step);
  }
  return scale;
}

double qn_chain_energy(const qn_chain *chain, const qn_chain_bath *bath) {
  double energy = bath->freedom * bath->kt * chain->position[0];
  for (int link = 1; link < QN_CHAIN_LENGTH; link++) energy += bath->kt * chain->position[link];
  for (int link = 0; link < QN_CHAIN_LENGTH; link++)
    energy += 0.5 * mass(bath, link) * chain->rate[link] * chain->rate[link];
  return energy;
}
