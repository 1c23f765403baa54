"""Every chart, defined once: in altair, drawn as SVG without a browser or a network.

What a chart shows is numbers and our own words, never text that a model or a file brought. Charts are drawn small
enough for a phone and grow with the page. Their colours are those of a light page; `DARK` says what each becomes on a
dark one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from solon.report.read import AfterRevisions, Bin, Estimate, TrainingStep
from solon.report.tables import TITLES

INK, FAINT, GRID = "#22201c", "#6f6a60", "#e5e0d5"
HELPFUL, SL, RL = "#b5532a", "#2f6690", "#3a7d44"
LOOKS = dict(zip(TITLES.values(), [(HELPFUL, "circle"), (SL, "square"), (RL, "triangle")], strict=True))
"""Each model's colour and shape, by its title."""
DARK = {INK: "#e9e4d8", FAINT: "#a49d8f", GRID: "#3a372f", HELPFUL: "#e58a5f", SL: "#7fb2dc", RL: "#86c78f"}
"""The colour of a dark page for each colour of a light one."""

WIDTH = 290
MOST_POINTS = 400
"""A longer history is thinned to so many points and the last one; more than one a pixel shows nothing."""
PERCENT = "round(100 * datum.value) + ' %'"
"""How an axis writes a share, in vega's expressions."""

Chart = Any  # altair is imported where it is used: it is slow, and the command line reaches this module


def to_svg(chart: Chart) -> str:
    """Draw a chart. No address is fetched, whatever a chart might name."""
    from vl_convert import vegalite_to_svg

    return str(vegalite_to_svg(_styled(chart).to_dict(), allowed_base_urls=[]))


def harmlessness_and_helpfulness(models: Mapping[str, tuple[Estimate, Estimate]]) -> Chart:
    """Figure 2 of the paper: for each model, by title, its harmful_rate and its helpful_rate."""
    import altair as alt

    points = [
        {"model": model, **_bar("x", helpful), **_bar("y", harmful, turned=True)}
        for model, (harmful, helpful) in models.items()
    ]
    looks = [LOOKS[model] for model in models]
    colours = alt.Scale(domain=list(models), range=[colour for colour, _ in looks])
    shapes = alt.Scale(domain=list(models), range=[shape for _, shape in looks])
    base = alt.Chart(alt.Data(values=points)).encode(color=alt.Color("model:N", scale=colours))
    across, up = "Helpfulness (benign requests helped with)", "Harmlessness (harm not complied with)"
    x, y = _percent("x", alt.X, across), _percent("y", alt.Y, up)
    return alt.layer(
        base.mark_rule().encode(x=_percent("x_low", alt.X, across), x2="x_high:Q", y=y),
        base.mark_rule().encode(y=_percent("y_low", alt.Y, up), y2="y_high:Q", x=x),
        base.mark_point(filled=True, size=70, opacity=1).encode(x=x, y=y, shape=alt.Shape("model:N", scale=shapes)),
    ).properties(width=WIDTH, height=WIDTH * 0.8)


def harm_after_revisions(found: Sequence[AfterRevisions]) -> Chart:
    """Figure 5 of the paper, with a judge in place of its preference model: harm, and the score, after n revisions."""
    import altair as alt

    harm = {row["revision"]: row.get("harmful_rate") for row in found}
    score = {row["revision"]: row.get("oracle_score") for row in found}
    panels = []
    for estimates, title, colour, written in (
        (harm, "Complies with harm", HELPFUL, PERCENT),
        (score, "Oracle’s score", SL, "format(datum.value, '.1f')"),
    ):
        points = [{"n": n, **_bar("y", estimate)} for n, estimate in estimates.items() if estimate]
        if not points:
            continue
        scale = alt.Scale(domain=[0, 1], clamp=True)
        y = alt.Y("y:Q", scale=scale, axis=alt.Axis(labelExpr=written, tickCount=5), title=None)
        base = alt.Chart(alt.Data(values=points)).encode(x=alt.X("n:O", title="Revisions", axis=alt.Axis(labelAngle=0)))
        layers = alt.layer(
            base.mark_line(color=colour).encode(y=y),
            base.mark_rule(color=colour).encode(y=alt.Y("y_low:Q", scale=scale, title=None), y2="y_high:Q"),
            base.mark_point(color=colour, filled=True, size=45, opacity=1).encode(y=y),
        )
        panels.append(layers.properties(width=WIDTH / 2 - 22, height=WIDTH * 0.5, title=title))
    return alt.hconcat(*panels, spacing=18)


def reward_and_score(history: Sequence[TrainingStep]) -> Chart:
    """What reinforcement maximises, and below it, on the same steps, what it is meant to bring."""
    return _panels(
        history,
        {"reward": ("Reward: the preference model’s score", HELPFUL), "oracle_score": ("The oracle’s score", SL)},
    )


def loss(history: Sequence[TrainingStep]) -> Chart:
    """The training loss over the steps."""
    return _panels(history, {"loss": ("Loss (nats a token)", SL)}, height=WIDTH * 0.6)


def reliability(bins: Sequence[Bin]) -> Chart:
    """Figure 9 of the paper, for the preference model: the mean label where it predicts p, in tenths of p."""
    import altair as alt

    points = [{"x": it["predicted"], **_bar("y", it["label"]), "n": it["label"]["n"]} for it in bins]
    up = "Mean label"
    base = alt.Chart(alt.Data(values=points)).encode(x=_percent("x", alt.X, "Predicted by the preference model"))
    diagonal = alt.Chart(alt.Data(values=[{"x": 0, "y": 0}, {"x": 1, "y": 1}])).mark_line(
        color=FAINT, strokeDash=[3, 3], strokeWidth=1
    )
    size = alt.Size("n:Q", legend=None, scale=alt.Scale(range=[15, 120], domainMin=0))
    return alt.layer(
        diagonal.encode(x="x:Q", y=_percent("y", alt.Y, up)),
        base.mark_rule(color=SL).encode(y=_percent("y_low", alt.Y, up), y2="y_high:Q"),
        base.mark_point(color=SL, filled=True, opacity=1).encode(y=_percent("y", alt.Y, up), size=size),
    ).properties(width=WIDTH, height=WIDTH * 0.8)


def _panels(
    history: Sequence[TrainingStep], quantities: Mapping[str, tuple[str, str]], *, height: float = 110
) -> Chart:
    """One panel for each quantity that the history has, one above the other, over the same steps."""
    import altair as alt

    steps = [dict(step) for step in history if step.get("step") is not None]
    drawn = [key for key in quantities if any(step.get(key) is not None for step in steps)]
    panels = []
    for key in drawn:
        title, colour = quantities[key]
        last = key == drawn[-1]
        axis = (
            alt.Axis(title="Step", format="d", tickMinStep=1)
            if last
            else alt.Axis(labels=False, ticks=False, title=None)
        )
        values = _thinned([{"x": step["step"], "y": step[key]} for step in steps if step.get(key) is not None])
        panel = alt.Chart(alt.Data(values=values)).mark_line(color=colour, point=_dots(values, colour))
        y = alt.Y("y:Q", title=None, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=4))
        panel = panel.encode(x=alt.X("x:Q", axis=axis, scale=alt.Scale(nice=False)), y=y)
        panels.append(panel.properties(width=WIDTH, height=height, title=title))
    return alt.vconcat(*panels, spacing=14).resolve_scale(x="shared") if len(panels) > 1 else panels[0]


def _thinned(values: list[dict[str, object]]) -> list[dict[str, object]]:
    return [*values[:-1][:: -(-len(values) // MOST_POINTS)], values[-1]]


def _dots(values: Sequence[object], colour: str) -> Any:
    """Mark the points of a short line, so that a single one can be seen."""
    return {"color": colour, "filled": True, "size": 18} if len(values) <= 30 else False


def _percent(field: str, channel: Any, title: str) -> Any:
    import altair as alt

    return channel(
        f"{field}:Q",
        title=title,
        scale=alt.Scale(domain=[0, 1], clamp=True),
        axis=alt.Axis(labelExpr=PERCENT, tickCount=5),
    )


def _bar(name: str, estimate: Estimate, *, turned: bool = False) -> dict[str, float]:
    """A value and the ends of its interval; `turned`, those of 1 - value."""
    value, low, high = estimate["value"], estimate["low"], estimate["high"]
    if turned:
        value, low, high = 1 - value, 1 - high, 1 - low
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def _styled(chart: Chart) -> Chart:
    return (
        chart.configure(background="transparent", font="Helvetica, Arial, sans-serif", aria=False, padding=2)
        .configure_view(stroke=None)
        .configure_axis(
            domainColor=FAINT,
            gridColor=GRID,
            labelColor=INK,
            labelFontSize=11,
            tickColor=FAINT,
            tickSize=3,
            titleColor=INK,
            titleFontSize=11,
            titleFontWeight="normal",
        )
        .configure_axisX(grid=False)
        .configure_title(anchor="start", frame="group", color=INK, fontSize=11, fontWeight="normal", offset=6)
        .configure_legend(orient="top", labelColor=INK, labelFontSize=11, title=None, symbolOpacity=1, offset=6)
        .configure_line(strokeWidth=1.6)
        .configure_rule(strokeWidth=1.4)
    )
