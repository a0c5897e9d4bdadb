"""Prints how the installed built-in scorer does on the functional suite: `python -m tests.scoring.functional.report`.

"caught" is the share of bad cases that are held, "passed" the share of good cases that are not.
It prints figures and no sentences, so that those who write corpora may read it.
"""

from collections.abc import Callable, Iterator, Sequence

from moderation.scoring.builtin import BuiltinScorer
from tests.scoring.functional import suite
from tests.scoring.functional.suite import Judged

_HEAD = f"{'':28}{'cases':>6}{'right':>7}{'caught':>8}{'passed':>8}"


def lines(judged: Sequence[Judged], scorer: str) -> Iterator[str]:
    """The report, line by line: functions, then languages, then the whole."""
    functions = suite.per_function(judged)
    yield f"{scorer}: {len(judged)} cases in {len(functions)} functions"
    yield _HEAD
    for name, of_function in functions.items():
        yield _row(name, of_function)
    yield ""
    for language in suite.LANGUAGES:
        yield _row(f"language {language}", [one for one in judged if one.case.language == language])
    for group, chosen in (("toxicity", False), ("spam", True)):
        yield _row(f"group {group}", [one for one in judged if (one.case.signal == "spam") is chosen])
    yield _row("all cases", judged)
    shares = [suite.share(of_function) for of_function in functions.values()]
    yield f"{'mean of functions':28}{len(shares):>6}{sum(shares) / len(shares):>7.0%}"
    yield f"functions below 60 %: {sum(one < 0.6 for one in shares)}; below 50 %: {sum(one < 0.5 for one in shares)}"


def _row(name: str, judged: Sequence[Judged]) -> str:
    bad = [one for one in judged if one.case.label]
    good = [one for one in judged if not one.case.label]
    shares = "".join(f"{suite.share(part):>{width}.0%}" for part, width in ((judged, 7), (bad, 8), (good, 8)))
    return f"{name:28}{len(judged):>6}{shares}"


def main(show: Callable[[str], None] = print) -> None:
    """Judge every case with the built-in scorer and show the table."""
    scorer = BuiltinScorer()
    for line in lines(suite.judge(scorer), f"{scorer.name} {scorer.version}"):
        show(line)


if __name__ == "__main__":
    main()
