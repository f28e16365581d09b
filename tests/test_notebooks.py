"""The notebooks run from top to bottom."""
import pytest
from tiny_runs import ROOT

nbformat = pytest.importorskip('nbformat', reason="pip install -e '.[test]'")
nbclient = pytest.importorskip('nbclient', reason="pip install -e '.[test]'")
pytest.importorskip('ipykernel', reason="pip install -e '.[test]'")
NOTEBOOK = ROOT / 'notebooks/inside_fcn.ipynb'


def test_it_is_kept_without_outputs():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert not [cell for cell in notebook.cells
                if cell.get('outputs') or cell.get('execution_count')]


@pytest.mark.slow
def test_inside_fcn(tmp_path):
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    first, settings = [cell for cell in notebook.cells if cell.cell_type == 'code'][:2]
    first.source = first.source.replace('ITERATIONS = 300', 'ITERATIONS = 8').replace(
        "ROOT / 'work_dirs/notebook'", f'Path({str(tmp_path)!r})')
    assert str(tmp_path) in first.source and 'ITERATIONS = 8' in first.source
    settings.source = settings.source.replace(
        "{'train_cfg", "{'train_dataloader.batch_size': 2, 'train_cfg")
    assert 'batch_size' in settings.source
    nbclient.NotebookClient(notebook, timeout=300, kernel_name='python3', resources={
        'metadata': {'path': str(NOTEBOOK.parent)}}).execute()
    pictures = [output for cell in notebook.cells for output in cell.get('outputs', ())
                if 'image/png' in output.get('data', {})]
    assert len(pictures) == 4
    assert list(tmp_path.glob('best_*.pth'))
