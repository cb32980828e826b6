#!/usr/bin/env python3
"""Time correlations of quenchd beside MDAnalysis, on one file, in one run.

quenchd takes the mean-squared displacement, the non-Gaussian parameter and the scattering function in one reading, over all origins at some 60
lags, for every species and with errors; MDAnalysis (Debian's python3-mdanalysis) the mean-squared displacement alone, by its plain algorithm (fft=False: the helper of the other
is not packaged). Both read the same NetCDF trajectory of walkers; their mean-squared displacements are compared.

MDAnalysis needs memory for all positions at once, twice over, and its time grows with the square of the frames: --peer-frames gives it fewer and
states its time for all of them by that square.

    tests/bench/correlations.py --quenchd BUILD/quenchd [--atoms 16384] [--frames 2000] [--peer-frames N] [--threads 2]
"""
import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
import warnings

import numpy
from scipy.io import netcdf_file


def write_walkers(path, atoms, frames, interval=0.05, coefficient=0.6):
    """An AMBER trajectory of independent walkers, one frame in memory at a time."""
    random = numpy.random.default_rng(1)
    length = (17.5 * atoms) ** (1 / 3)
    position = random.random((atoms, 3)) * length
    with netcdf_file(path, "w", version=2) as file:
        file.Conventions, file.ConventionVersion = "AMBER", "1.0"
        file.program, file.programVersion = "correlations", "1"
        for name, size in (("frame", None), ("atom", atoms), ("spatial", 3), ("cell_spatial", 3), ("cell_angular", 3)):
            file.createDimension(name, size)
        types = file.createVariable("atom_types", "i4", ("atom",))
        types[:] = numpy.arange(atoms) % 2 + 1
        variables = {}
        for name, kind, dimensions, units in (("time", "f8", ("frame",), "picosecond"),
                                              ("coordinates", "f4", ("frame", "atom", "spatial"), "angstrom"),
                                              ("cell_lengths", "f8", ("frame", "cell_spatial"), "angstrom"),
                                              ("cell_angles", "f8", ("frame", "cell_angular"), "degree")):
            variables[name] = file.createVariable(name, kind, dimensions)
            variables[name].units = units
        step = (2 * coefficient * interval) ** 0.5
        for frame in range(frames):
            variables["time"][frame] = frame * interval
            variables["coordinates"][frame] = position
            variables["cell_lengths"][frame] = (length,) * 3
            variables["cell_angles"][frame] = (90,) * 3
            move = random.standard_normal((atoms, 3)) * step
            position += move - move.mean(axis=0)  # the centre stays


def run_quenchd(binary, path, threads):
    """Seconds, of processors too, peak memory in MiB, and the mean-squared displacement of all atoms by lag."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as spec:
        json.dump({"analyses": [{"type": "diffusion"}, {"type": "non_gaussian"}, {"type": "relaxation"}]}, spec)
        spec.flush()
        begin = time.monotonic()
        child = subprocess.Popen([binary, "analyse", path, spec.name, "--threads", str(threads)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        output = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - begin
    if status != 0:
        sys.exit("quenchd analyse failed")
    answer = json.loads(output)
    curve = next(c for c in answer["curves"] if c["name"] == "mean_squared_displacement" and c["species"] == "all")
    rows = curve.get("rows") or curve.get("data")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, {round(row[0], 9): row[1] for row in rows}


def run_peer(path, atoms, frames):
    """Seconds, of processors too, and the mean-squared displacement by lag."""
    warnings.simplefilter("ignore")
    import MDAnalysis
    from MDAnalysis.analysis.msd import EinsteinMSD
    universe = MDAnalysis.Universe.empty(atoms, trajectory=True)
    universe.load_new(path, format="NCDF")
    begin, used = time.monotonic(), time.process_time()
    result = EinsteinMSD(universe, select="all", msd_type="xyz", fft=False).run(stop=frames)
    return time.monotonic() - begin, time.process_time() - used, result.results.timeseries


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quenchd", required=True)
    parser.add_argument("--atoms", type=int, default=16384)
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--peer-frames", type=int)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    peer_frames = min(given.peer_frames or given.frames, given.frames)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "walkers.nc")
        # In a process of its own: a child's peak memory counts what its parent held before.
        writer = multiprocessing.Process(target=write_walkers, args=(path, given.atoms, given.frames))
        writer.start()
        writer.join()
        seconds, used, memory, ours = run_quenchd(given.quenchd, path, given.threads)
        peer_seconds, peer_used, theirs = run_peer(path, given.atoms, peer_frames)
    growth = (given.frames / peer_frames) ** 2
    scaled = peer_seconds * growth
    if peer_frames == given.frames:
        worst = max(abs(ours[lag] / theirs[round(lag / 0.05)] - 1) for lag in ours)
        print(f"largest difference of the mean-squared displacements: {worst:.1e}")
        if worst > 1e-4:  # the file holds single precision
            sys.exit("they disagree")
    note = "" if peer_frames == given.frames else f" (from {peer_seconds:.1f} s for {peer_frames} frames)"
    print(f"{given.atoms} atoms x {given.frames} frames, {given.threads} threads, {os.cpu_count()} processors")
    print("| what | s | processor s | memory |")
    print("| --- | --- | --- | --- |")
    print(f"| quenchd: MSD, alpha_2 and F_s, three species, with errors | {seconds:.1f} | {used:.1f} | {memory:.0f} MiB |")
    print(f"| MDAnalysis EinsteinMSD: MSD, all atoms | {scaled:.1f}{note} | {peer_used * growth:.1f} | |")
    print(f"| ratio | {scaled / seconds:.0f} | {peer_used * growth / used:.0f} | |")
    if scaled < 10 * seconds:
        sys.exit("less than ten times as fast")


if __name__ == "__main__":
    main()
