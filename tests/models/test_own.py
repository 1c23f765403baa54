"""A person's own class is a model like any other; what is wrong with it is told by its name."""

import sys

import pytest

from solon.chains import Choose, Generate
from solon.errors import ModelError, UsageError
from solon.models.base import ModelSpec
from solon.models.load import load, parse
from solon.records import user

ASKED = [Generate([user("Why?")]), Choose([user("Which?")], ("A", "B"), "(")]


def own(called, **options):
    return load(ModelSpec("own", f"own_models:{called}", {"options": options} if options else {}))


@pytest.mark.parametrize(
    ("called", "told"),
    [
        ("Mute", "own_models:Mute lacks rendered, batches; a model has identity, form and rendered, batches, answer"),
        ("Gone", "own_models:Gone has no form, which a model has"),
        ("Talkr", r"own_models\.py has no class 'Talkr'; did you mean 'Talker'\? its classes are Talker, Remote"),
        ("not_a_class", "has no class 'not_a_class'"),
        ("Opaque", "The identity of own_models:Opaque is not JSON: .*; give text and numbers"),
    ],
)
def test_what_a_class_lacks_is_the_persons_mistake(called, told):
    with pytest.raises(UsageError, match=told):
        assert own(called).identity


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("llama:mine", "llama:mine: there is no backend, and no Python module 'llama' on Python's path or in /"),
        ("own_models.more:Talker", "no Python module 'own_models.more'"),
        ("solon.models.nothing:Model", "no Python module 'solon.models.nothing'"),
    ],
)
def test_a_module_that_is_not_there_is_told_with_where_it_was_looked_for(name, told):
    with pytest.raises(UsageError, match=told):
        load(parse(name))


def test_options_are_what_it_is_made_with():
    assert own("Talker", name="Ann", most=2).identity["own"] == {"name": "Ann", "most": 2}
    with pytest.raises(UsageError, match=r"takes \(name='talker', most=3\), and was given the options nam: .*'nam'"):
        own("Talker", nam="Ann")


@pytest.mark.parametrize(
    ("called", "told"),
    [
        ("Shy", r"own_models:Shy failed as it was made: OSError: no .* weights here \(.*own_models\.py, line \d+\)"),
        ("Nameless", r"own_models:Nameless failed at its identity: KeyError: 'name' \(.*own_models\.py, line \d+\)"),
        ("Broken", r"own_models:Broken failed in answer: ZeroDivisionError: division by zero \(.*own_models\.py"),
        ("Few", "own_models:Few gave 1 replies to 2 questions"),
        ("Confused", "own_models:Confused replied to Generate wrongly: a Choice, which is no reply to that"),
        ("Unsure", r"replied to Choose wrongly: probabilities \(0\.9, 0\.9\) that do not sum to 1"),
        ("Textless", "replied to Generate wrongly: its text is none"),
        ("Twice", "its batches of 2 questions have not each of them once"),
    ],
)
def test_what_it_does_wrong_stops_the_run_by_its_name(called, told):
    def asked():
        model = own(called)
        assert model.batches(ASKED)
        return model.identity, model.answer(ASKED)

    with pytest.raises(ModelError, match=told):
        asked()


def test_an_interruption_and_an_error_of_ours_are_left_as_they_are(monkeypatch):
    model = own("Talker")
    for error in (KeyboardInterrupt(), UsageError("told")):

        def fail(request, error=error):
            raise error

        model.model.fake.reply = fail
        with pytest.raises(type(error)):
            model.answer(ASKED)


def test_a_module_is_found_in_the_folder_where_the_command_is_typed_behind_all_else(tmp_path, monkeypatch):
    (tmp_path / "kept_here.py").write_text("from own_models import Talker\nclass Mine(Talker): pass\n")
    (tmp_path / "own_models.py").write_text("raise RuntimeError('this one must not be taken')\n")
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "own_models", raising=False)
    monkeypatch.chdir(tmp_path)
    assert load(parse("kept_here:Mine")).identity["name"] == "kept_here:Mine"


def test_a_change_of_its_code_is_a_change_of_its_identity(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    digests = set()
    for text in ("", "# another\n"):
        (tmp_path / "changing.py").write_text(f"from own_models import Talker\nclass Mine(Talker): pass\n{text}")
        monkeypatch.delitem(sys.modules, "changing", raising=False)
        digests.add(load(parse("changing:Mine")).identity["code"])
    assert len(digests) == 2


@pytest.mark.parametrize("text", ["raise SystemExit(3)", "import no_such_module_at_all", "1 / 0", "def ("])
def test_a_module_that_cannot_be_imported_is_the_persons_mistake(tmp_path, monkeypatch, text):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "failing.py").write_text(text + "\n")
    with pytest.raises(UsageError, match="failing:Mine: failing cannot be imported: "):
        load(parse("failing:Mine"))
