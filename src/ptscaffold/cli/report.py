"""What the command line prints for a person: plain text, no colour, no boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ptscaffold import __version__
from ptscaffold.errors import in_project, shell_command
from ptscaffold.layers.git import public
from ptscaffold.render.answers import FLAGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from ptscaffold.export.template import Export
    from ptscaffold.layers.manifest import Goal
    from ptscaffold.project.conflicts import Ended
    from ptscaffold.project.new import Result
    from ptscaffold.project.plan import Plan
    from ptscaffold.project.show import Report
    from ptscaffold.project.state import Rendered
    from ptscaffold.project.update import Update
    from ptscaffold.render.given import Preset

# What to look at comes last, where a terminal shows it.
_ORDER: Final = ("same", "updated", "added", "removed", "merged", "kept", "aside", "conflict")


def tree(root: Path, paths: Iterable[str]) -> str:
    """An indented tree of files; folders that hold one folder only share its line."""
    lines = [f"{str(root).rstrip('/')}/"]
    open_folder = ""
    for folder, _, name in sorted(path.rpartition("/") for path in paths):
        if folder != open_folder:
            lines.append(f"  {folder}/")
            open_folder = folder
        lines.append(f"    {name}" if folder else f"  {name}")
    return "\n".join(lines)


def created(result: Result) -> str:
    """The end of `new`: what was made, the command that makes it again, what to do next."""
    plan, survey = result.plan, result.survey
    lines = [f"{plan.directory}: {result.recovered}"] if result.recovered else []
    lines += _preset(plan.preset)
    count = _files(len(survey.missing))
    if result.dry_run:
        lines.append(f"{count}, {_size(plan, survey.missing)}; nothing written")
    else:
        done = "Added to" if survey.same or survey.kept else "Created"
        lines.append(f"{done} {plan.directory}/ ({count}): {_made_of(plan)}")
        lines += [f"Again:  {result.command}", *_expected(result.goal, result.seconds)]
        lines += _headed("Next:", result.next_steps)
    if survey.kept:
        lines += [f"Kept as it was, different from the template ({_files(len(survey.kept))}):"]
        lines += [f"  {path}" for path in survey.kept]
        way = in_project(plan.directory, "diff")
        lines += [f"hint: {way} shows how; take what you need by hand"]
    return "\n".join(lines)


def _expected(goal: Goal | None, seconds: float | None) -> list[str]:
    if goal is None:
        return []
    way = "more" if goal.kind == "floor" else "less"
    within = f", within {seconds:.0f} s on two CPU cores" if seconds else ""
    return [f"Expect: {goal.metric} {goal.bound:.2f} or {way} on its sample{within}"]


def exported(result: Export) -> str:
    """What a template was written for, what it asks, and how it is used."""
    plan, made = result.plan, result.exported
    lines, files = _preset(plan.preset), _files(len(plan.files))
    gone = [f"Without {path}, which git keeps" for path in result.removed]
    if result.dry_run:
        return "\n".join([*lines, *gone, f"{files}, {_size(plan, plan.files)}; nothing written"])
    lines.append(f"Exported {plan.directory}/ ({files}): {_made_of(plan)}")
    lines.append(f"Asks:   {', '.join(made.asks)}")
    lines += gone
    if made.fixed:
        fixed = ", ".join(f"{key} = {value}" for key, value in made.fixed.items())
        lines.append(f"Fixed:  {fixed} (the templates go by it)")
    place = str(plan.directory)
    uses = {
        "cookiecutter.json": ["cookiecutter", place],
        "copier.yml": ["copier", "copy", place, plan.answers.name],
    }
    commands = [shell_command(words) for file, words in uses.items() if file in plan.files]
    return "\n".join([*lines, *_headed("Use:", commands)])


def _preset(used: Preset | None) -> list[str]:
    """Which preset has a say, and in what."""
    if used is None:
        return []
    lines = [f"Preset {used.name} ({used.path})"]
    lines += [f"  packs: {', '.join(map(public, used.packs))}"] if used.packs else []
    lines += [f"  {key}: {_flat(value)}" for key, value in used.answers.items()]
    return lines + [
        f"  {key}: {_flat(value)}, fixed: {reason}" for key, (value, reason) in used.locked.items()
    ]


def _made_of(plan: Plan) -> str:
    return f"{', '.join(layer.name for layer in plan.layers[1:])}, template {__version__}"


def _size(plan: Plan, paths: Iterable[str]) -> str:
    return f"{sum(len(plan.files[path].data) for path in paths) / 1000:.0f} kB"


def _headed(head: str, lines: Sequence[str]) -> list[str]:
    return [f"{head if not number else '':<8}{line}" for number, line in enumerate(lines)]


def updated(done: Update) -> str:
    """What became of every file that the template changed, and what is left to do."""
    old, new = done.old, done.new
    step = "" if old.version == new.version else f" -> {new.version}"
    lines = [f"{done.project}: template {old.version}{step}"]
    before, after = old.answers.as_dict(), new.answers.as_dict()
    changed = [key for key in after if key in before and before[key] != after[key]]
    lines += [f"  {key}: {_flat(before[key])} -> {_flat(after[key])}" for key in changed]
    width = max((len(change.path) for change in done.changes), default=0)
    for change in sorted(done.changes, key=lambda c: (_ORDER.index(c.kind), c.path)):
        name = f"{change.formerly} -> {change.path}" if change.formerly else change.path
        lines.append(f"  {change.kind:<8}  {name:<{width}}  {change.why}")
    if not (done.changes or changed or done.notes) and old.version == new.version:
        return f"{lines[0]}, nothing to do"
    lines += [f"  {note}" for note in done.notes]
    lines.append(f"{_files(len(done.changes))}, {done.unchanged} more as they were")
    if any(change.kind == "aside" for change in done.changes):
        lines.append("Look at the files marked aside and take from them what you need:")
        lines.append("  in a repository, git log -p -- FILE shows what you had changed in each.")
    if done.dry_run:
        lines.append("Nothing written.")
    elif done.conflicts:
        lines.append("Conflicts stand between <<<<<<< and >>>>>>>. When they are resolved:")
        way = in_project(done.project, "update", "--continue")
        lines.append(f"  {way}     (or --abort to go back)")
    if not done.dry_run and "pyproject.toml" in done.writes():
        lines.append("pyproject.toml has changed: uv sync --inexact, or install the project again.")
    return "\n".join(lines)


def ended(project: Path, found: Ended, *, aborted: bool) -> str:
    what = f"update done ({_files(len(found.files))} resolved)"
    line = f"{project}: {'back to before the update' if aborted else what}"
    return "\n".join([line, *(f"  {kept}" for kept in found.kept)])


def recorded(project: Path, made: Rendered, behind: Sequence[str]) -> str:
    features = ", ".join(made.answers.features) or "none"
    lines = [f"{project}: recorded anew, template {made.version}, features {features}"]
    if behind:
        lines += [f"  {path} is not as the template has it now" for path in behind]
        lines.append(f"See them by {in_project(project, 'diff')}, which counts them as your edits;")
        lines.append("  piped into git apply -R in the project, it makes them the template's.")
    return "\n".join(lines)


def counts(found: Mapping[str, tuple[int, int] | None]) -> str:
    """Lines added and removed, a file a line, and their sums."""
    width = max(map(len, found), default=0)
    lines = [
        f"{path:<{width}}  {'not text' if pair is None else f'+{pair[0]} -{pair[1]}'}"
        for path, pair in found.items()
    ]
    pairs = [pair for pair in found.values() if pair is not None]
    total = f"+{sum(pair[0] for pair in pairs)} -{sum(pair[1] for pair in pairs)}"
    differ = "differs" if len(found) == 1 else "differ"
    return "\n".join([*lines, f"{_files(len(found))} {differ} from the template, {total}"])


def checked(found: Report) -> str:
    """What `check` found, and the way out of each."""
    edited = f"{_files(len(found.edited))} edited, {len(found.deleted)} deleted"
    true = "" if found.problems else ": follows its template"
    lines = [f"{found.project}: template {found.template_version}, {edited}{true}"]
    lines += [f"  {problem} ({fix})" for problem, fix in found.problems]
    lines += [f"  no file of the template is locked by {pattern}" for pattern in found.idle]
    return "\n".join(lines)


def layer_list(kinds: Mapping[str, list[dict[str, Any]]]) -> str:
    given = {"domains": FLAGS["domain"], "styles": FLAGS["style"], "features": FLAGS["features"]}
    given |= {"base": "in every project", "presets": "--preset"}
    width = max((len(layer["name"]) for layers in kinds.values() for layer in layers), default=0)
    blocks = []
    for kind, layers in kinds.items():
        rows: dict[str, list[str]] = {}
        for layer in layers:
            others = ", ".join(path.rpartition("/")[2] for path in layer["conflicts"])
            apart = f"; not with {others}" if others else ""
            text = f"  {layer['name']:<{width}}  {layer['help']}{apart}"
            rows.setdefault(layer.get("field", ""), []).append(text)
        lines: list[str] = []
        for field, some in rows.items():
            lines += [f"  {field}", *(f"  {row}" for row in some)] if len(rows) > 1 else some
        blocks.append("\n".join([f"{kind} ({given[kind]})", *(lines or ["  none"])]))
    return "\n\n".join(blocks)


def shown(data: Mapping[str, Any]) -> str:
    """What `show` prints: one `key: value` a line, then the files."""
    lines = []
    for key, value in data.items():
        if key == "files":
            continue
        if isinstance(value, dict):
            lines += [f"{name}: {_flat(item)}" for name, item in value.items()]
        elif value:
            lines.append(f"{key.replace('_', ' ')}: {_flat(value)}")
    files = data["files"]
    lines.append(f"{_files(len(files))}:")
    if isinstance(files, dict):
        width = max(map(len, files.values()), default=0)
        return "\n".join([*lines, *(f"  {files[path]:<{width}}  {path}" for path in files)])
    return "\n".join([*lines, *(f"  {path}" for path in files)])


def _flat(value: Any) -> str:
    return (", ".join(value) or "none") if isinstance(value, list) else str(value)


def _files(count: int) -> str:
    return f"{count} file" if count == 1 else f"{count} files"
