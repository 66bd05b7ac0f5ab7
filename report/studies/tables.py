"""Tables of the course over the report's pairs of data and network, each {name of a row: {column: value}}."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from lnescape.results import Estimate, Result, list_results, load_result
from lnescape.retraining import RetrainingEquivalent
from report.studies.gates import EXPLORATIONS_OF_G3, Verdict, over_pairs
from report.studies.judges import NEW_JUDGES
from report.studies.lessons import FACTS
from report.studies.lone import errors_left_out
from report.studies.pairs import (
    CHOOSING,
    CIFAR10_RESNET20,
    FASHION_ATTENTION,
    FURTHER,
    HELD_OUT,
    JUDGES,
    LEVELLED,
    PAIRS,
    RESTARTED,
    RULE,
    SMALL,
    SMALL_JUDGES,
    WITH_GRADIENTS,
    Pair,
    kind_of_network,
)

Rows = dict[str, dict[str, Any]]
Results = Mapping[str, Result]
WORDS = {True: "passed", False: "FAILED"}


def stored_of_pairs(suffix: str = "", pairs: Iterable[Pair] = PAIRS) -> dict[str, Result]:
    """Load the result of each pair whose name ends so; a pair that isn't stored yet is left out."""
    known = set(list_results())
    return {pair.label: load_result(pair.key + suffix) for pair in pairs if pair.key + suffix in known}


HIGHEST_REN = 300  # an upper end above it says that the judges are too few, and no more


def ren_of(row: Mapping[str, Any]) -> str:
    """Write the REN of a stored row with its 95 % interval."""
    ren = RetrainingEquivalent(**row["ren"])
    return str(ren) if ren.high <= HIGHEST_REN else f"{ren.value:.1f} [{ren.low:.1f}, > {HIGHEST_REN}]"


# The networks of the README and how each is called there; the order is that of its table.
_JUDGED = (*WITH_GRADIENTS, *HELD_OUT, *JUDGES, FASHION_ATTENTION)
HEADLINE = {pair.key: f"{pair.words}, {pair.title}" for pair in _JUDGED}
ALL_FREE, WITH_GRADIENT = "all free groups", "prior of other pairs"  # the latter: outputs, classes, gradient distance


def headline(key: str) -> dict[str, Any]:
    """Return the test results of all mixes with gradient distance on a network of the README, {name: {M: row}}."""
    return load_result(f"{key}-geometry").numbers["test"]


WAYS = {
    "plain Type A": "none (plain Type A)",
    "constant prior": "constant",
    "free, without gradients": ALL_FREE,
    "free, with gradient distance": WITH_GRADIENT,
}


def ways_on_networks() -> dict[str, dict[str, Any]]:
    """Gather what two and three trainings are worth on each network, {network: {way: {M: row}}}."""
    found, known = {}, set(list_results())
    for pair in (pair for pair in (*PAIRS, *FURTHER, *JUDGES, FASHION_ATTENTION) if f"{pair.key}-geometry" in known):
        mixes = headline(pair.key)
        if f"{pair.key}-uncertainty" in known:  # the free groups without gradients were judged in a study of their own
            mixes = load_result(f"{pair.key}-uncertainty").numbers["mixes"] | mixes
        found[pair.label] = {way: mixes[mix] for way, mix in WAYS.items() if mix in mixes}
    return found


def with_gradients(start: str = "") -> Rows:
    """Lay out the REN of a constant prior and of the gradient distance, for the networks whose name starts so."""
    rows: Rows = {}
    for name, ways in ways_on_networks().items():
        if name.startswith(start) and (best := ways.get("free, with gradient distance")):
            rows[name] = {"constant prior, M = 3": ren_of(ways["constant prior"]["3"])}
            rows[name] |= {f"with gradient distance, M = {m}": ren_of(best[m]) for m in ("2", "3")}
    return rows


def by_trainings(pair: Pair, ways: Mapping[str, str]) -> Rows:
    """Lay out REN by the number of trainings, and coverage, of some ways {words: mix}; one borrows its scale."""
    numbers, rows = load_result(f"{pair.key}-geometry").numbers, {}
    for words, mix in ways.items():
        by_size = dict(numbers["test"][mix])
        if mix == WITH_GRADIENT:
            by_size["1"] = numbers["one network, borrowed scale"]
        row = {f"M = {m}": ren_of(by_size[m]) for m in sorted(by_size)}
        row["inside (%)"] = ", ".join(f"{by_size[m]['coverage'].value:.1f}" for m in sorted(by_size))
        rows[f"{pair.label} ({numbers['accuracy'].value:.0f} % right): {words}"] = row
    return rows


SHARES = {  # in words: as in the summaries of geometry
    "gradient distance": "gradient distance",
    "and log-odds": "gradient distance, log-odds",
    "and outputs, classes": "outputs, classes, gradient distance",
}


def explained(pairs: Iterable[Pair]) -> Rows:
    """Return the share of the variance of ln σ² over images that covariates of all players explain, in per cent."""
    stored = stored_of_pairs("-geometry", pairs)
    shares = {name: one.numbers["explained"]["shares"] for name, one in stored.items()}
    return {name: {words: str(row[key]) for words, key in SHARES.items()} for name, row in shares.items()}


def beyond_gradients(pairs: Iterable[Pair]) -> dict[str, tuple[np.ndarray, ...]]:
    """Return log-odds, mean residual of ln s² from its line on h, and expanded uncertainty, by tenths of the images."""
    found = {}
    for name, result in stored_of_pairs("-geometry", pairs).items():
        explained = result.numbers["explained"]
        values, bars = zip(*((one.value, one.expanded()) for one in explained["offset"]), strict=True)
        found[name] = np.array(explained["log-odds"]), np.array(values), np.array(bars)
    return found


def levels() -> dict[str, dict[str, float]]:
    """Return u of a usual image over the standard deviation of q over images, of each network, by kind of network."""
    known: dict[str, float] = {}
    for pair in WITH_GRADIENTS:  # each judged by the levels of all others
        known |= load_result(f"{pair.key}-geometry").numbers["levels"]
    named = {pair.key: (pair.label, pair.network) for pair in LEVELLED}
    named[CIFAR10_RESNET20.key] = f"{CIFAR10_RESNET20.label}, full width", CIFAR10_RESNET20.network
    named |= {f"{name}-together": (name.replace("-", " "), network) for name, (network, *_) in SMALL.items()}
    found: dict[str, dict[str, float]] = {"convolutional": {}, "fully connected": {}}
    for name, (label, network) in named.items():
        found[kind_of_network(network)][label] = float(np.exp(known[name] / 2))
    return found


def judged_levels() -> dict[str, tuple[str, float]]:
    """Return {kind: (network, its ratio)} of the pairs that were computed after the rule of the level."""
    return {
        kind_of_network(pair.network): (pair.label, load_result(f"{pair.key}-geometry").numbers["usual u"])
        for pair in JUDGES
    }


YARDSTICKS = {"inputs": "q over inputs", "epochs": "q over epochs", "companion": "a companion"}  # in words


def yardsticks() -> tuple[dict[str, dict[str, float]], dict[str, list[str]]]:
    """Return stated over true u of each network by each yardstick, and the networks that came after its rule.

    The scale is borrowed from all other networks; over inputs and over epochs, from those of the same kind.
    """
    rows = load_result("one-training").numbers["networks"]
    factors: dict[str, dict[str, float]] = {}
    for what, words in YARDSTICKS.items():
        errors = errors_left_out(rows, what, same_kind=what != "companion")
        factors[words] = {name: float(np.exp(error / 2)) for name, error in errors.items()}
    after = {words: [name for name in rows if what in rows[name]["after"]] for what, words in YARDSTICKS.items()}
    return factors, after


def lone() -> Rows:
    """Lay out what one training with a companion is worth on each pair with gradients."""
    found = load_result("one-training").numbers["pairs"]
    labels = {pair.key: pair.label for pair in (*PAIRS, *JUDGES, FASHION_ATTENTION)}
    return {
        labels[key]: {
            "REN": f"{one['ren']['value']:.0f}",
            "stated u / true u": f"{np.exp(one['bias'].value / 2):.2f}",
            "coverage (%)": str(one["coverage"]),
            "ν": f"{one['dof']:.1f}",
            "G9": WORDS[one["G9"]["passed"]],
        }
        for key, one in found.items()
    }


def beside_companion() -> Rows:
    """Lay out how well two and three networks know their common scale, and two with a companion, on small data sets."""
    networks = SMALL | SMALL_JUDGES
    found = {name: load_result(f"{name}-companion").numbers for name in networks}
    return {
        name.replace("-", " "): {
            "network": "attention" if ":" in (built := networks[name][0]) else kind_of_network(built),
            "worth of the inputs": f"{row['measured'].value:.0f}",
            "two": f"{50 * row['single']['2']['own']['error']:.0f}",
            "two and a companion": f"{50 * row['single']['2']['beside']['error']:.0f}",
            "three": f"{50 * row['single']['3']['own']['error']:.0f}",
        }
        for name, row in found.items()
    }


def new_judges() -> Rows:
    """Lay out what the networks of `judges` say of the borrowed pattern, and of one training with a companion."""
    found = {name: load_result(pair.key).numbers for name, pair in NEW_JUDGES.items()}
    return {
        name: {
            "scatter of h": f"{row['width']:.2f}",
            "slope": f"{row['slope']:.2f}",
            "pattern, per sd": f"{row['per deviation']['scale of the judges']['ren']['value']:.0f}",
            "per unit": f"{row['per unit']['scale of the judges']['ren']['value']:.0f}",
            "one and a companion": _with_factor(row["per unit"]["1"]),
            "two trainings": f"{row['per unit']['2']['ren']['value']:.0f}",
        }
        for name, row in found.items()
    }


def _with_factor(one: Mapping[str, Any]) -> str:
    """Print REN of evaluations from one network, and stated over true u."""
    return f"{one['ren']['value']:.0f} (u × {np.exp(one['bias'].value / 2):.2f})"


def triple_of(row: Mapping[str, Any], sizes: Sequence[str] = ("2", "3")) -> dict[int, tuple[float, float, float]]:
    """Return {M: (REN, low, high)} of a stored mix, as the figures take it."""
    return {int(m): (row[m]["ren"]["value"], row[m]["ren"]["low"], row[m]["ren"]["high"]) for m in sizes}


def order_of_mixes(result: Result) -> list[str]:
    """Return the mixes of a pair by what three trainings with them are worth, the poorest first."""
    mixes = result.numbers["mixes"]
    return sorted(mixes, key=lambda name: mixes[name]["3"]["ren"]["value"])


def worths(stored: Results, m: str, names: Sequence[str] | None = None) -> Rows:
    """Lay out REN with M trainings: rows are mixes of covariates, columns are pairs."""
    names = names or order_of_mixes(next(iter(stored.values())))
    tables = {pair: result.numbers["mixes"] for pair, result in stored.items()}
    return {name: {pair: ren_of(table[name][m]) for pair, table in tables.items() if name in table} for name in names}


def costs(result: Result) -> Rows:
    """Lay out what each mix of a pair costs beside M = 3 networks: trainings, and forward passes for each input."""
    rows = {name: result.numbers["mixes"][name]["3"] for name in order_of_mixes(result)}
    return {name: {"further trainings": row["further"], "passes": row["passes"]} for name, row in rows.items()}


def left_out(stored: Results) -> Rows:
    """Lay out REN of two retrainings with all free groups but one: rows are groups, columns are pairs."""
    tables = {pair: result.numbers["leave_one_out"] for pair, result in stored.items()}
    groups = next(iter(tables.values()))
    return {group: {pair: table[group]["ren"]["value"] for pair, table in tables.items()} for group in groups}


def proxies(result: Result, numbers: Sequence[int]) -> Rows:
    """Lay out the sweep over proxies of a pair: cost, REN of M = 3 alone and with all free groups, n_eff."""
    return {
        f"{row['n']} of width {row['width']}, epochs: {row['epochs']:g}": {
            "cost (trainings)": f"{row['trainings']:.2f}",
            "REN alone": row["alone"]["ren"],
            "REN with all free": row["with_free"]["ren"],
            "worth of the inputs": f"{row['effective_inputs']:.0f}",
        }
        for row in result.numbers["proxies"]
        if row["n"] in numbers
    }


def bursts(stored: Results) -> Rows:
    """Lay out the sweep over bursts of each pair: cost, distance covered, ratio of variances, REN of M = 3."""
    return {
        f"{pair}, epochs: {row['epochs']:g}, rate × {row['rate']:g}": {
            "cost a network": f"{row['trainings']:.2f}",
            "distance covered": str(row["distance"]),
            "u² / its variance": str(row["ratio"]),
            "REN alone": row["alone"]["ren"],
            "REN with all free": row["with_free"]["ren"],
        }
        for pair, result in stored.items()
        for row in result.numbers["bursts"]
    }


def shifted(stored: Results, name: str, m: str) -> Rows:
    """Lay out REN and coverage of a mix on each pair, under each shift."""
    tables = {pair: result.numbers["shift"] for pair, result in stored.items()}
    return {pair: {part: _judged(row[name][m]) for part, row in table.items()} for pair, table in tables.items()}


def _judged(row: Mapping[str, Any]) -> str:
    """Write the REN of a stored row without its interval, and its coverage."""
    return f"{row['ren']['value']:.1f}; {row['coverage'].value:.0f} %"


def sensitivity(stored: Results) -> Rows:
    """Lay out REN and coverage of all free groups, M = 2, by the n_eff that is assumed."""
    rows: Rows = {}
    for pair, result in stored.items():
        for row in result.numbers["sensitivity"]:
            rows.setdefault(f"{row['n_eff']:.0f} assumed", {})[pair] = _judged(row)
    rows["measured"] = {pair: f"{result.numbers['effective_inputs']:.0f}" for pair, result in stored.items()}
    return rows


def patterns(stored: Results) -> Rows:
    """Lay out the partial R² of each exploration, and what is known of the networks beforehand."""
    rows: Rows = {}
    for pair, result in stored.items():
        n = result.numbers
        for what in EXPLORATIONS_OF_G3:
            if what in n["partial_r2"]:
                rows.setdefault(f"R² of {what}", {})[pair] = str(n["partial_r2"][what])
        for fact, words in FACTS.items():
            rows.setdefault(words, {})[pair] = str(n["facts"][fact])
    return rows


def local_ratios(stored: Results) -> Rows:
    """Lay out retraining variance over the local variance of each kind of path: the smallest and the largest base."""
    rows: Rows = {}
    for pair, result in stored.items():
        for path, values in result.numbers["path_ratios"].items():
            ends = [f"{float(f'{end:.2g}'):g}" for end in (min(values), max(values))]
            rows.setdefault(path, {})[pair] = " to ".join(ends[: len(values)])
    return rows


def purchases(stored: Results, m: str) -> Rows:
    """Lay out REN gained per further training, beside all free groups: rows are pairs, columns are purchases."""
    wanted = ("one more training", "bursts", "proxies", "curve", "simplex")
    tables = {pair: result.numbers["gains"][m] for pair, result in stored.items() if m in result.numbers["gains"]}
    return {pair: {what: _signed(row[what]["rate"]) for what in wanted if what in row} for pair, row in tables.items()}


def _signed(difference: Estimate) -> str:
    """Write a difference with the half-width of its 95 % interval."""
    return f"{difference.value:+.1f} ± {difference.expanded(0.95):.1f}"


def ahead(stored: Results, m: str) -> Rows:
    """Lay out how far one more training is ahead of each other purchase: rows are pairs, columns are purchases."""
    left = ("one more training", "bursts + proxies")
    gains = {pair: result.numbers["gains"][m] for pair, result in stored.items()}
    return {
        pair: {what: _signed(row[what]["ahead"]) for what in row if what not in left} for pair, row in gains.items()
    }


def without_free(stored: Results) -> Rows:
    """Lay out REN gained per further training, beside a constant prior with M = 2: rows are pairs."""
    rows: Rows = {}
    for pair, result in stored.items():
        table = result.numbers["mixes"]
        before = table["constant"]["2"]["ren"]["value"]
        rows[pair] = {"all free groups": f"{table['all free groups']['2']['ren']['value'] - before:+.1f}, free"}
        rows[pair]["one more training"] = f"{table['constant']['3']['ren']['value'] - before:+.1f}"
        for what in ("bursts", "proxies", "curve", "simplex"):
            if what in table:
                row = table[what]["2"]
                rows[pair][what] = f"{(row['ren']['value'] - before) / row['further']:+.1f}"
    return rows


def ratios_of_bursts() -> dict[str, Estimate]:
    """Load retraining variance over that of bursts by the common rule, of each network whose bursts are complete."""
    return {name: one.numbers["ratio"] for name, one in stored_of_pairs("-uncertainty", RESTARTED).items()}


def verdicts(reference: Results, stored: Results, methods: Results) -> list[tuple[str, str, str, str]]:
    """List all gates: which, on what, the verdict, and what was measured."""
    rows: list[tuple[str, str, str, str]] = []
    for pair, result in reference.items():
        g0, g2 = result.numbers["G0"], result.numbers["G2"]
        rows.append(("G0", pair, WORDS[g0["passed"]], f"half against half {g0['half against half']}"))
        band = f"{g2['band, low']:.3f} to {g2['band, high']:.3f}"
        rows.append(("G2", pair, WORDS[g2["passed"]], f"kurtosis {g2['mean excess kurtosis']:.3f}, band {band}"))
    for pair, result in stored.items():
        g1, g5 = (Verdict.from_dict(gate, result.numbers[gate]) for gate in ("G1", "G5"))
        low, high = g1.numbers["low"], g1.numbers["high"]
        rows.append(("G1", pair, g1.word, f"worth {g1.numbers['worth']:.1f} [{low:.1f}, {high:.1f}]"))
        found = ren_of(result.numbers["mixes"]["all free groups"]["2"])
        rows.append(("G5", pair, g5.word, f"REN {found}; fails: {g5.failing or 'nothing'}"))
    for pair, result in methods.items():
        g6 = result.numbers["G6"]
        rows.append(("G6", pair, WORDS[g6["passed"]], f"best: {g6['best']}, DEE {g6['its equivalent']:.1f}"))
    found = {pair: result.numbers for pair, result in stored.items()}
    *explored, factor, reach, moonshot = over_pairs(found, ratios_of_bursts())
    for what, verdict in zip(EXPLORATIONS_OF_G3, explored, strict=True):
        rows.append(("G3", what, verdict.word, f"holds on {verdict.numbers['pairs that hold']} of {verdict.n} pairs"))
    varies = factor.numbers["coefficient of variation"]
    rows.append(("G4", f"{factor.n} networks", factor.word, f"the ratios vary by {100 * varies:.1f} %"))
    for verdict, cost in ((reach, "3"), (moonshot, "2")):
        best = {pair: row["best"][cost] for pair, row in found.items()}
        pair, least = min(best.items(), key=lambda item: item[1]["ren"])
        words = f"lowest best: {pair}, REN {least['ren']:.1f} [{least['low']:.1f}, {least['high']:.1f}]"
        rows.append((verdict.gate, "all pairs", verdict.word, words))
    return sorted(rows, key=lambda row: row[0])


def from_one() -> Rows:
    """Lay out REN and coverage of one training with its bursts, by three rules, beside two with a constant prior."""
    rows: Rows = {}
    stored = stored_of_pairs("-uncertainty", RESTARTED)
    for pair, result in stored_of_pairs("-single", RESTARTED).items():
        rules = result.numbers["rules"]
        rows[pair] = {kind: _judged(rules[kind]) for kind in ("one variance", "one factor", "factor and slope")}
        rows[pair]["two trainings, constant"] = _judged(stored[pair].numbers["mixes"]["constant"]["2"])
        rows[pair]["trainings"] = rules["factor and slope"]["trainings"]
    return rows


def own_class() -> Rows:
    """Lay out what changes where two networks choose the class of the measurand themselves."""
    rows: Rows = {}
    for pair, result in stored_of_pairs("-class", CHOOSING).items():
        mean = {key: part["mean"] for key, part in result.numbers["2"].items()}
        rows[pair] = {
            "another class": f"{100 * mean['other']:.1f} %",
            "inside, scouts' class": f"{mean['scouts_coverage']:.1f} %",
            "inside, own class": f"{mean['own_coverage']:.1f} %",
            "where they differ": f"{mean['own_coverage_disputed']:.1f} %",
            "mean too high there": f"{mean['own_excess_disputed']:.1f} nat",
        }
    return rows


def _scatter(numbers: Mapping[str, Any]) -> dict[str, str]:
    """Write accuracy, u(x) and flips of a reference."""
    u = numbers["u"]["test"]
    return {
        "right": str(numbers["accuracy"]),
        "median u (nat)": f"{u['median']:.2f}",
        "decides otherwise": f"{100 * u['flips'] + 1e-9:.1f} %",  # halves are rounded up, as in the report's tables
    }


def references(reference: Results) -> Rows:
    """Lay out the reference of each pair: accuracy, u(x), flips, and the ceiling of a rank correlation."""
    return {
        f"{pair}, n = {result.numbers['n']}": {
            "epochs": result.provenance["recipe"]["epochs"],
            **_scatter(result.numbers),
            "ceiling": str(result.numbers["G0"]["ceiling of a rank correlation"]),
        }
        for pair, result in reference.items()
    }


def frontier_of(result: Result) -> list[tuple[int, float, float, str]]:
    """Return (M, whole cost, REN, remark) of all mixes of a pair, as the figure takes them."""
    remarks = {("constant", "2"): "constant", ("all free groups", "2"): "all free"}
    return [
        (int(m), int(m) + row["further"], row["ren"]["value"], remarks.get((name, m), ""))
        for name, rows in result.numbers["mixes"].items()
        for m, row in rows.items()
    ]


COVERED = {  # in the figures of coverage: mix and M
    "plain, M = 3": ("none (plain Type A)", "3"),
    "all free, M = 2": ("all free groups", "2"),
    "all free, M = 3": ("all free groups", "3"),
}


def deciles_of(result: Result) -> dict[str, list[float]]:
    """Return the coverage by decile of the stated u of the ways in `COVERED`, as the figure takes it."""
    mixes = result.numbers["mixes"]
    return {label: mixes[name][m]["deciles"] for label, (name, m) in COVERED.items()}


def flips_of(result: Result) -> tuple[Any, Any]:
    """Return predicted and observed shares of retrainings that decide otherwise, as the figure takes them."""
    shares = [(row["predicted"], row["observed"].value) for row in result.numbers["flips"]]
    predicted, observed = np.array(shares).T
    return predicted, observed


def beforehand() -> Rows:
    """Lay out the training loss that remains, what bursts by the common rule cover and show, M = 3."""
    rows: Rows = {}
    stored = stored_of_pairs("-uncertainty", RESTARTED)
    for pair, result in sorted(stored.items(), key=lambda item: item[1].numbers["facts"]["training_loss"].value):
        n = result.numbers
        burst = next(row for row in n["bursts"] if (row["epochs"], row["rate"]) == RULE)
        rows[pair] = {
            "training loss": str(n["facts"]["training_loss"]),
            "bursts cover": str(burst["distance"]),
            "their partial R²": str(n["partial_r2"]["bursts"]),
            "REN of bursts": burst["alone"]["ren"],
            "REN, constant prior": n["mixes"]["constant"]["3"]["ren"]["value"],
        }
    return rows


def schedules(studies: Mapping[str, str]) -> Rows:
    """Lay out the same network under several schedules, {name: study}: accuracy, u(x), and REN with M = 2."""
    rows: Rows = {}
    for name, study in studies.items():
        n, judged = load_result(study).numbers, load_result(f"{study}-uncertainty").numbers
        rows[f"{name}, n = {n['n']}"] = {
            **_scatter(n),
            "REN, constant": ren_of(judged["mixes"]["constant"]["2"]),
            "REN, all free": ren_of(judged["mixes"]["all free groups"]["2"]),
            "REN, bursts": ren_of(judged["mixes"]["bursts"]["2"]),
        }
    return rows


def best_members(methods: Results) -> Rows:
    """Lay out the best way at each budget of trainings on each pair, with its deep-ensemble equivalent."""
    rows: Rows = {}
    for pair, result in methods.items():
        ways = result.numbers["ways"]
        for budget in ways["deep ensemble"]:
            found = {way: row[budget]["dee"]["value"] for way, row in ways.items() if "dee" in row.get(budget, {})}
            best = max(found, key=lambda way: found[way])
            worth = ways[best][budget]["dee"]["text"].split(" (")[0]
            text = f"{best}, {worth}" if found[best] >= 1 else "none reaches one network"
            rows.setdefault(pair, {})[f"{budget} training{'' if budget == '1' else 's'}"] = text
        rows[pair]["bases"] = result.numbers["bases"]
    return rows


def claims(methods: Results, wanted: Mapping[str, tuple[tuple[str, str], tuple[str, str]]]) -> Rows:
    """Judge claims {words: (way and budget, way and budget)} by CLL: open within two standard uncertainties.

    The uncertainty is that of the difference of two means over the bases, each scattering as single networks do. The
    way "one network" is the yardstick's mean of single networks.
    """
    rows: Rows = {}
    for name, result in methods.items():
        sd, numbers = float(result.arrays["yardstick_cll_sd"][0]), result.numbers
        known = {"one network": {"1": {"cll": Estimate(float(result.arrays["yardstick_cll_mean"][0]), 0.0)}}}
        ways = result.numbers["ways"] | known
        for words, (ours, theirs) in wanted.items():
            rows_of = (ways[way][budget] for way, budget in (ours, theirs))
            first, second = (row["cll"].value if "cll" in row else -np.inf for row in rows_of)
            difference = first - second
            counts = [numbers["yardstick_networks" if way == "one network" else "bases"] for way, _ in (ours, theirs)]
            limit = 2 * sd * sum(1 / n for n in counts) ** 0.5
            word = "open" if abs(difference) < limit else "holds" if difference > 0 else "fails"
            rows.setdefault(words, {})[name] = f"{word} ({1000 * difference:+.1f} ± {1000 * limit:.1f})"
    return rows
