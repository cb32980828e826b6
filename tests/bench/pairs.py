"""Runs the engine and LAMMPS in turn and compares them; see run.sh."""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import tempfile

PEER = """units metal
atom_style atomic
boundary p p p
read_data {data}
pair_style eam/fs
pair_coeff * * {potential} Cu Zr
neighbor 1.0 bin
neigh_modify delay 0 every 1 check yes
velocity all create 1000 4711 mom yes
fix 1 all nvt temp 1000 1000 0.1
timestep 0.001
thermo 100
run {warm}
run {steps}
"""


def write_data(structure, repeat, path):
    """The extended XYZ structure, repeated along each axis, as LAMMPS data."""
    lines = open(structure).read().splitlines()
    lattice = [float(x) for x in re.search(r'Lattice="([^"]+)"', lines[1]).group(1).split()]
    length = [lattice[0], lattice[4], lattice[8]]
    atoms = [line.split()[:4] for line in lines[2 : 2 + int(lines[0])]]
    with open(path, "w") as out:
        out.write(f"\n\n{len(atoms) * repeat ** 3} atoms\n2 atom types\n")
        for axis in range(3):
            out.write(f"0 {length[axis] * repeat:.12f} {'xyz'[axis]}lo {'xyz'[axis]}hi\n")
        out.write("\nMasses\n\n1 63.546\n2 91.224\n\nAtoms\n\n")
        number = 0
        for cell in range(repeat ** 3):
            shift = (cell // repeat ** 2, cell // repeat % repeat, cell % repeat)
            for symbol, *r in atoms:
                number += 1
                at = [float(r[a]) % length[a] + shift[a] * length[a] for a in range(3)]
                out.write(f"{number} {1 if symbol == 'Cu' else 2} {at[0]:.10f} {at[1]:.10f} {at[2]:.10f}\n")


def peer(folder, args, repeat, processes, warm, steps):
    data = os.path.join(folder, f"data.{repeat}")
    if not os.path.exists(data):
        write_data(args.structure, repeat, data)
    script = os.path.join(folder, "in.peer")
    with open(script, "w") as out:
        out.write(PEER.format(data=data, potential=args.potential, warm=warm, steps=steps))
    environment = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMP_NUM_THREADS="1")
    command = ["mpirun", "--oversubscribe", "-np", str(processes), "lmp", "-sf", "opt", "-in", script, "-log", "none"]
    text = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, cwd=folder).stdout
    found = re.findall(r"Loop time of ([\d.]+) on \d+ procs for (\d+) steps with (\d+) atoms", text)[-1]
    return int(found[2]) * int(found[1]) / float(found[0])


def ours_command(args, precision, threads, repeat, warm, steps, ensemble="nvt"):
    return [args.program, args.structure, args.potential, precision, str(threads), str(repeat), str(warm), str(steps), "1000", ensemble]


def ours(args, *what, **more):
    return json.loads(subprocess.run(ours_command(args, *what, **more), check=True, capture_output=True, text=True).stdout)


def side_by_side(args, repeat, warm, steps):
    """Atom-steps a second of two one-thread jobs together."""
    jobs = [subprocess.Popen(ours_command(args, "fast", 1, repeat, warm, steps), stdout=subprocess.PIPE, text=True) for _ in range(2)]
    return sum(json.loads(job.communicate()[0])["atom_steps_per_s"] for job in jobs)


def spread(values):
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def compare(args, folder, repeat, precision, threads, steps, peer_steps):
    rates, peers, last = [], [], None
    for _ in range(args.pairs):
        last = ours(args, precision, threads, repeat, 50, steps)
        rates.append(last["atom_steps_per_s"])
        peers.append(peer(folder, args, repeat, threads, 20, peer_steps))
    ratio = spread([a / b for a, b in zip(rates, peers)])
    print(f"{last['atoms']:>8} {threads:>7} {precision:>9} {statistics.median(rates) / 1e6:>10.3f} {statistics.median(peers) / 1e6:>8.3f}"
          f"   {ratio['min']:>6.2f} {ratio['median']:>6.2f} {ratio['max']:>6.2f}", flush=True)
    return {"atoms": last["atoms"], "threads": threads, "precision": precision, "atom_steps_per_s": spread(rates),
            "lammps_atom_steps_per_s": spread(peers), "ratio": ratio, "bytes_per_atom": last["bytes_per_atom"]}


def by_size(args, threads):
    """Cost against size. Processor time for one thread, which a busy machine disturbs less than the clock on the wall; sizes in turn, as a minute of the
    machine is like itself only."""
    clock = "cpu_seconds" if threads == 1 else "seconds"
    rounds = [[ours(args, "fast", threads, repeat, 50, steps * threads) for repeat, steps in ((1, 3200), (2, 400), (4, 100))] for _ in range(args.pairs)]
    cost = [[run[clock] / run["atoms"] / run["steps"] * 1e9 for run in runs] for runs in rounds]
    for k, run in enumerate(rounds[-1]):
        found = {"atoms": run["atoms"], "threads": threads, "ns_per_atom_step": spread([costs[k] for costs in cost]),
                 "over_the_smallest": spread([costs[k] / costs[0] for costs in cost]), "bytes_per_atom": run["bytes_per_atom"]}
        print("{atoms:>8} atoms, {threads} thread(s): {0[median]:.0f} ns an atom-step, {1[median]:.2f} times the smallest's (min {1[min]:.2f}, max {1[max]:.2f}),"
              " {bytes_per_atom:.0f} bytes an atom".format(found["ns_per_atom_step"], found["over_the_smallest"], **found), flush=True)
        yield found


def main():
    parser = argparse.ArgumentParser()
    for name in ("program", "structure", "potential", "json"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    report = {"machine": platform.processor() or platform.machine(), "cores": os.cpu_count(), "pairs": args.pairs}
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            report["machine"] = line.split(":", 1)[1].strip()
            break
    print(f"Cu50Zr50, 1000 K, nvt, 1 fs; {report['machine']}, {report['cores']} cores; {args.pairs} pairs; LAMMPS: mpirun -np THREADS lmp -sf opt")
    print("   atoms threads precision  M atom-steps/s   LAMMPS   ratio min median    max")
    with tempfile.TemporaryDirectory() as folder:
        report["pairs_run"] = [compare(args, folder, 2, "fast", 2, 400, 60)]
        if not args.quick:
            report["pairs_run"] += [compare(args, folder, 2, "fast", 1, 200, 30), compare(args, folder, 1, "fast", 2, 2000, 400),
                                    compare(args, folder, 2, "double", 2, 60, 60)]
    scale, together = [], []
    for _ in range(args.pairs):
        one, two = ours(args, "fast", 1, 2, 50, 200), ours(args, "fast", 2, 2, 50, 400)
        scale.append(two["atom_steps_per_s"] / one["atom_steps_per_s"])
        together.append(side_by_side(args, 2, 50, 200) / one["atom_steps_per_s"])
    report["two_threads_over_one"], report["two_jobs_over_one"] = spread(scale), spread(together)
    print("two threads over one:  min {min:.2f} median {median:.2f} max {max:.2f}".format(**report["two_threads_over_one"]))
    print("two jobs over one job: min {min:.2f} median {median:.2f} max {max:.2f}".format(**report["two_jobs_over_one"]))
    if not args.quick:
        report["by_size"] = [found for threads in (1, 2) for found in by_size(args, threads)]
        report["nve"] = ours(args, "fast", 2, 1, 5000, 100000, ensemble="nve")
        print("nve, {atoms} atoms, {steps} steps of 1 fs at {temperature_k:.0f} K: drift {drift_ev_per_atom_per_ns:.2g} +- {drift_error:.1g} eV/atom/ns".format(**report["nve"]))
    with open(args.json, "w") as out:
        json.dump(report, out, indent=1)
    print("written:", args.json)


if __name__ == "__main__":
    main()
