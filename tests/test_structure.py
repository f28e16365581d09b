"""The rooms of the package: arrows run one way, files and rooms stay small."""
import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / 'fcn_plugin'
# A room may import from those before it, and from rooms on its own line.
FLOORS = (
    ('utils', 'version', 'compat'), ('downloads', 'images', 'ops', 'optim'),
    ('visualization', 'evaluation', 'masks', 'layouts', 'datasets', 'modalities', 'models',
     'annotations'),
    ('checkpoints', 'drawn_masks'), ('runtimes', 'resuming'), ('inference', 'large_images'),
    ('engine', 'deployment'), ('own_data', 'own_training', 'reports', 'diagnosis'),
    ('apis', ), ('cli', '__main__'))
FLOOR = {room: place for place, rooms in enumerate(FLOORS) for room in rooms}
FILES = [file for file in sorted(PACKAGE.rglob('*.py')) if '.mim' not in file.parts]


def room_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix('.py')


def imported(file: Path):
    """Rooms that a file imports from, those inside functions too."""
    package = ('fcn_plugin', *file.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(file.read_text(encoding='utf-8'))):
        if isinstance(node, ast.ImportFrom):
            base = package[:len(package) - node.level + 1] if node.level else ()
            path = [*base, *(node.module or '').split('.')]
            path = [part for part in path if part]
            if path[:1] == ['fcn_plugin']:
                yield from path[1:2] or [alias.name for alias in node.names]


@pytest.mark.parametrize('file', FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_arrows_run_one_way(file):
    room = room_of(file)
    if room == '__init__':
        return
    upward = {other for other in imported(file)
              if FLOOR.get(other, 0) > FLOOR[room]}
    assert not upward, f'{room} imports from {sorted(upward)}, which stand above it'


def test_models_know_no_data_set_and_metrics_know_no_model():
    for room, others in (('models', {'datasets', 'evaluation', 'masks'}),
                         ('evaluation', {'models', 'datasets'}), ('ops', {'models'})):
        for file in (PACKAGE / room).rglob('*.py'):
            assert not others & set(imported(file)), file


def test_files_and_rooms_stay_small():
    lines = {file: len(file.read_text(encoding='utf-8').splitlines()) for file in FILES}
    assert max(lines.values()) <= 400, max(lines, key=lines.get)
    rooms: dict[str, int] = {}
    for file, count in lines.items():
        if file.parent != PACKAGE:
            rooms[room_of(file)] = rooms.get(room_of(file), 0) + count
    rooms.pop('models')
    assert max(rooms.values()) <= 1600, max(rooms, key=rooms.get)


def test_test_files_have_names_of_their_own():
    """pytest imports them by name alone: of two, the second ends the whole run."""
    names = [file.name for file in Path(__file__).parent.rglob('test_*.py')]
    assert {name for name in names if names.count(name) > 1} == set()
