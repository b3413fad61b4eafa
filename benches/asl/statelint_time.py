"""The same measure for PyPI's statelint, the port to Python of awslabs' statelint (Ruby, whose registry is not at hand)."""
import json
import pathlib
import sys
import time

from statelint.linter import Linter


def definitions(folder):
    for path in sorted(pathlib.Path(folder).iterdir()):
        try:
            definition = json.loads(path.read_text())
        except ValueError:
            continue
        if isinstance(definition, dict) and definition.get("States"):
            yield definition


def count(level):
    states = level.get("States") if isinstance(level, dict) else None
    return sum(
        1 + sum(count(inner) for inner in [state.get("ItemProcessor"), state.get("Iterator"), *state.get("Branches", [])])
        for state in (states or {}).values()
        if isinstance(state, dict)
    )


def problems(definition):
    """None where it ends in an exception."""
    try:
        return len(Linter.validate(definition))
    except Exception:
        return None


def main():
    found = list(definitions(sys.argv[1]))
    states = sum(count(definition) for definition in found)
    verdicts = [problems(definition) for definition in found]
    rounds, start = 0, time.perf_counter()
    while time.perf_counter() - start < 3:
        for definition in found:
            problems(definition)
        rounds += 1
    micros = (time.perf_counter() - start) * 1e6 / rounds
    print(
        f"statelint: {len(found)} definitions, {states} states, {micros / states:.2f} µs a state, "
        f"{micros / len(found):.0f} µs a definition, {sum(1 for v in verdicts if v)} called wrong, "
        f"{verdicts.count(None)} ended in an exception"
    )


main()
