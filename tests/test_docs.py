"""The pages hang together: links and anchors, the two READMEs, the site."""
import importlib.util
import re
import subprocess
import sys

import pytest
import yaml
from tiny_runs import ROOT

PAGES = [ROOT / 'README.md', ROOT / 'README.zh-CN.md', ROOT / 'configs/fcn/README.md',
         *sorted((ROOT / 'fcn_plugin/weights').glob('*.md')), ROOT / 'tests/README.md',
         ROOT / 'CONTRIBUTING.md', ROOT / 'SECURITY.md', ROOT / 'UPGRADING.md',
         ROOT / 'CHANGELOG.md',
         *sorted((ROOT / 'docs').glob('*.md'))]
FENCE = re.compile(r'^```.*?^```', re.M | re.S)
LINK = re.compile(r'\]\((?!https?:)([^)\s]*)\)')


def text_of(page):
    return page.read_text(encoding='utf-8')


def prose(page):
    return FENCE.sub('', text_of(page))


def anchors(page):
    """As GitHub and MyST name a page's headings."""
    return {re.sub(r'[^\w\- ]', '', title.lower()).replace(' ', '-')
            for title in re.findall(r'^#+ +(.+)$', prose(page), re.M)}


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_and_anchor_exists(page):
    for link in LINK.findall(prose(page)):
        path, _, anchor = link.partition('#')
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_in_the_index():
    index = text_of(ROOT / 'docs/index.md')
    listed = re.findall(r'^(\w+)$', re.search(r'```{toctree}.*?```', index, re.S)[0], re.M)
    pages = {page.stem for page in (ROOT / 'docs').glob('*.md')}
    assert pages - {'index'} == set(listed)


@pytest.mark.parametrize('page', PAGES[2:], ids=lambda page: str(page.relative_to(ROOT)))
def test_files_named_in_pages_exist(page):
    named = re.findall(r'(?<![\w/])(?:configs|tools|fcn_plugin)/[\w./-]+\.(?:py|sh)',
                       text_of(page))
    named = {*named} - {'configs/fcn/mine.py'}  # the reader's own
    assert not [name for name in named if not (ROOT / name).exists()]


# The paper's words, each of which the glossary must explain.
WORDS = ('convolutionalisation', 'score layer', 'skip', 'fusion', 'stride', 'FCN-32s', '16s',
         '8s', 'at once', 'staged', 'in-network upsampling', 'deconvolution',
         'bilinear initialisation', 'shift-and-stitch', 'patch-wise training',
         'loss sampling', 'heavy learning', 'offset', 'crop', 'pixel accuracy',
         'mean accuracy', 'mean IoU', 'frequency-weighted IoU', 'trimap')


def glossary():
    """Word, meaning and file of each row."""
    rows = re.findall(r'^\| (.+?) \| (.+) \| (.+?) \|$',
                      text_of(ROOT / 'docs/glossary.md'), re.M)
    return [row for row in rows if row[0] != 'word']


def test_the_glossary_explains_every_word():
    explained = ' '.join(word for word, _, _ in glossary())
    assert [word for word in WORDS if word not in explained] == []


@pytest.mark.parametrize('row', glossary(), ids=lambda row: row[0])
def test_the_files_of_the_glossary_exist(row):
    word, meaning, where = row
    files = [name for name in re.findall(r'`([^`]+)`', where) if '/' in name]
    assert files or where.startswith('none') and '**Not used**' in meaning
    assert [name for name in files if not (ROOT / name).is_file()] == []


# --- versions ---------------------------------------------------------------------


def test_the_version_is_the_changelog_s_newest():
    """One number in four places, of which people and programs read one each."""
    version, = re.findall("'(.+)'", text_of(ROOT / 'fcn_plugin/version.py'))
    changelog = text_of(ROOT / 'CHANGELOG.md')
    assert re.findall(r'^## (.+)$', changelog, re.M)[0] == 'Unreleased'
    released = re.findall(r'^## (\d[\d.]*)(?: \((.+)\))?$', changelog, re.M)
    assert released[0][0] == version
    citation = yaml.safe_load(text_of(ROOT / 'CITATION.cff'))
    assert (citation['version'], citation['date-released']) == released[0]
    older, newer = re.findall(r'^## From ([\d.]+) to ([\d.]+)$',
                              text_of(ROOT / 'UPGRADING.md'), re.M)[-1]
    assert version.startswith(newer + '.') and released[1][0].startswith(older + '.')


def test_a_change_is_of_one_version():
    entries = re.findall('^- .+', text_of(ROOT / 'CHANGELOG.md'), re.M)
    assert len(entries) > 100 and sorted(set(entries)) == sorted(entries)


# --- habits: tests, make, CI, forms -------------------------------------------------


def test_the_page_of_tests_names_every_file():
    tests = ROOT / 'tests'
    named = set(re.findall(r'^\| `([\w.]+)` \|', text_of(tests / 'README.md'), re.M))
    assert named == {path.name for path in tests.glob('*.py')}


def test_what_contributors_are_told_exists():
    text = text_of(ROOT / 'CONTRIBUTING.md')
    for target in re.findall(r'`make (\w+)`|^make (\w+)', text, re.M):
        assert re.search(rf'^{"".join(target)}:', text_of(ROOT / 'Makefile'), re.M), target
    for name in re.findall(r'`((?:tests|configs|fcn_plugin|tools)/[\w/.*]+)`', text):
        assert list(ROOT.glob(name)), name


def test_make_runs_what_ci_runs():
    make, ci = text_of(ROOT / 'Makefile'), text_of(ROOT / '.ci/run')
    for command in ('ruff check .', 'mypy', 'sphinx -W --keep-going -q docs build/site'):
        assert f'.venv/bin/python -m {command}\n' in ci + '\n'
        assert f'\t$(PYTHON) -m {command}\n' in make
    extras = re.search(r"-e '\.\[([\w,]+)\]'", make)[1].split(',')
    setup = text_of(ROOT / 'setup.py')
    assert all(f"'{extra}': [" in setup for extra in extras)
    assert set(re.search(r'^\.PHONY: (.+)$', make, re.M)[1].split()) == set(
        re.findall(r'^(\w+):', make, re.M))


@pytest.mark.parametrize('path', sorted((ROOT / '.github').rglob('*.yml')),
                         ids=lambda path: path.name)
def test_yaml_of_the_forms_and_workflows(path):
    content = yaml.safe_load(text_of(path))
    if path.parent.name == 'workflows':
        steps = [step for job in content['jobs'].values() for step in job['steps']]
        # YAML 1.1 reads the key "on" as true.
        if path.name == 'ci.yml':
            assert {'push', 'pull_request', 'schedule'} <= set(content[True])
            assert any(step.get('run') == '.ci/run' for step in steps)
        else:  # what releases runs for tags alone, and what builds may not publish
            assert content[True] == dict(push=dict(tags=['v*']))
            assert content['permissions'] == {}
            assert [name for name, job in content['jobs'].items()
                    if 'id-token' in job['permissions']] == ['publish']
        used = re.findall(r'uses: (.+)', text_of(path))
        assert used and all(re.fullmatch(r'[\w/-]+@[0-9a-f]{40}  # v[\d.]+', each)
                            for each in used), used
        assert all(step['with']['persist-credentials'] is False for step in steps
                   if 'checkout' in step.get('uses', ''))
        lowest = re.search(r"python_requires='>=(.+)'", text_of(ROOT / 'setup.py'))[1]
        assert {step['with']['python-version'] for step in steps
                if 'setup-python' in step.get('uses', '')} == {lowest}
    elif path.name == 'config.yml':
        assert content == dict(blank_issues_enabled=False)
    elif path.name == 'dependabot.yml':  # the versions of packages are chosen together
        assert [each['package-ecosystem'] for each in content['updates']] == ['github-actions']
    else:
        assert content['name'] and content['description']
        ids = [part['id'] for part in content['body']]
        assert len(set(ids)) == len(ids)
        assert all(part['type'] in ('input', 'textarea', 'checkboxes') and
                   part['attributes']['label'] for part in content['body'])
        if path.name in ('bug.yml', 'result.yml'):
            assert 'fcn doctor' in text_of(path)


# --- the README in two languages ------------------------------------------------


def shape(page):
    """All that a translation leaves as it is, in order."""
    text = prose(page)
    lines = text.splitlines()
    return dict(
        headings=re.findall(r'^(#+) ', text, re.M),
        code=[re.sub(r'\s*#.*', '', block) for block in FENCE.findall(text_of(page))],
        markers=re.findall(r'<!--.+?-->', text),
        tables=[line.count('|') for line in lines if line.startswith('|')],
        links=sorted(link for link in re.findall(r'\]\(([^)\s]+)\)', text)
                     if not re.fullmatch(r'README(\.zh-CN)?\.md', link)),
        numbers=sorted(re.findall(r'\d+\.\d+', text)),
        paragraphs=len([p for p in text.split('\n\n') if p.strip()]))


def test_the_chinese_readme_says_the_same():
    english, chinese = (shape(ROOT / name) for name in ('README.md', 'README.zh-CN.md'))
    for name, parts in english.items():
        assert chinese[name] == parts, name


def test_the_readmes_link_to_each_other():
    assert '(README.zh-CN.md)' in text_of(ROOT / 'README.md')[:200]
    assert '(README.md)' in text_of(ROOT / 'README.zh-CN.md')[:200]


# --- the site ---------------------------------------------------------------------


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    for module in ('sphinx', 'myst_parser', 'furo', 'sphinx_copybutton'):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed: pip install -e '.[docs]'")
    done = subprocess.run(
        [sys.executable, '-m', 'sphinx', '-W', '--keep-going', '-q', '-d',
         tmp_path / 'trees', ROOT / 'docs', tmp_path / 'site'],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    start = (tmp_path / 'site/index.html').read_text(encoding='utf-8')
    assert 'quick_start.html' in start
    assert (tmp_path / 'site/_images/network.png').is_file()


def test_versions_in_the_faq_are_those_that_are_required():
    faq, setup = text_of(ROOT / 'docs/faq.md'), text_of(ROOT / 'setup.py')
    python, = re.findall(r"python_requires='>=(.+)'", setup)
    assert f'\n{python} or newer.' in faq
    setuptools, = re.findall(r"'setuptools(.+)'", setup)
    assert f"'setuptools{setuptools}'" in faq
    numpy, = re.findall(r"'numpy>=([\d.]+)'", setup)
    assert f'NumPy {numpy} and newer' in faq
    pinned, = re.findall(r'^numpy==(.+)$', text_of(ROOT / 'constraints.txt'), re.M)
    assert f'run with ({pinned})' in faq


def test_the_page_on_security_installs_what_is_tested():
    page, pins = text_of(ROOT / 'SECURITY.md'), text_of(ROOT / 'constraints.txt')
    assert f"pip install --no-deps {re.search('^torch==.+$', pins, re.M)[0]} " in page
    named = re.findall(r'(?<=[`\s])[\w./]+\.(?:txt|yml|py|md)(?=[`\s])', page)
    assert len(named) > 3 and [name for name in named if not (ROOT / name).is_file()] == []


def test_pages_name_nothing_outside_the_project():
    for page in PAGES:
        assert not re.search(r'/(work|tmp|home)/', text_of(page)), page
