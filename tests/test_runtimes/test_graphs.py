"""The runtimes of exported graphs: one set of tests for each, and the choice among them."""
import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny_runs import ROOT

from fcn_plugin.apis import FCNInferencer
from fcn_plugin.checkpoints.naming import BUNDLED
from fcn_plugin.cli import command
from fcn_plugin.deployment.export import export
from fcn_plugin.inference.predict import show
from fcn_plugin.runtimes import openvino_graph, table
from fcn_plugin.runtimes.graph import META_KEY
from fcn_plugin.runtimes.table import RUNTIMES, open_graph

onnx = pytest.importorskip('onnx', reason="the extra 'export' is not installed")
pytest.importorskip('onnxruntime', reason="the extra 'export' is not installed")

pytestmark = pytest.mark.usefixtures('timed_once')
NATIVE = {'test_pipeline': [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]}
SIZES = ((48, 64), (48, 64), (33, 65), (1, 50), (70, 1), (1, 1))


def noise(height, width):
    return np.random.randint(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope='session')
def exported(trained, tmp_path_factory):
    """Files with scores by whether they preprocess, of a net at the images' own sizes."""
    folder, files = tmp_path_factory.mktemp('graphs'), {}
    for preprocess in (True, False):
        files[preprocess] = folder / f'net_{preprocess}.onnx'
        export(trained / 'best.pth', files[preprocess], scores=True, preprocess=preprocess,
               cfg_options=NATIVE)
    return files


@pytest.fixture(scope='session', params=BUNDLED)
def bundled(request, tmp_path_factory):
    """A model of the package, exported, and in PyTorch."""
    file = tmp_path_factory.mktemp('bundled') / f'{request.param}.onnx'
    export(request.param, file, preprocess=True)
    return file, FCNInferencer(request.param, device='cpu')


@pytest.fixture(scope='session')
def reference(trained):
    return FCNInferencer(trained / 'best.pth', device='cpu', cfg_options=NATIVE)


def changed(file, out, change):
    """A copy of an exported file, once ``change`` has had its metadata."""
    model = onnx.load(str(file))
    entry, = model.metadata_props
    meta = json.loads(entry.value)
    change(meta)
    entry.value = json.dumps(meta)
    onnx.save(model, str(out))
    return out


class RuntimeTests:
    """What is asked of every runtime."""
    name: str
    package: str

    @pytest.fixture(autouse=True)
    def installed(self):
        pytest.importorskip(self.package, reason=f'{self.package} is not installed')

    def open(self, file, **options):
        return FCNInferencer(file, device='cpu', runtime=self.name, **options)

    @pytest.mark.parametrize('preprocess', [True, False])
    def test_any_size_and_batch(self, exported, reference, preprocess):
        """As the checkpoint predicts, one by one and together."""
        graph, images = self.open(exported[preprocess]), [noise(*size) for size in SIZES]
        expected = reference(images, scores=True, progress=False)
        for batch_size in (1, 6):
            found = graph(images, batch_size, scores=True, progress=False)
            for ours, theirs in zip(found, expected):
                assert ours.labels.shape == theirs.labels.shape
                assert ours.labels.dtype == np.uint8 and ours.scores.dtype == np.float32
                assert np.allclose(ours.scores, theirs.scores, atol=1e-4)
                assert (ours.labels == theirs.labels).mean() > 0.999
        assert graph.class_names == reference.class_names
        assert graph.palette == reference.palette and graph.background == 0
        assert max(len(np.unique(one.labels)) for one in expected) > 1

    @pytest.mark.parametrize('size', [(360, 480), (131, 97), (33, 300), (1, 50)])
    def test_models_of_the_package(self, bundled, size):
        """Trained networks, whose classes lie close to one another. The graph resizes for
        them, with values that differ from OpenCV's by a grey level."""
        image = np.kron(noise(size[0] // 30 + 1, size[1] // 30 + 1),
                        np.ones((30, 30, 1), np.uint8))[:size[0], :size[1]].copy()
        file, network = bundled
        equal = (self.open(file)(image).labels == network(image).labels).mean()
        assert equal > 0.97

    def test_an_image_of_which_resizing_leaves_nothing(self, bundled):
        for size in ((1, 2000), (2000, 1)):
            with pytest.raises(ValueError, match='shorter side would have no pixel left'):
                self.open(bundled[0])(np.zeros((*size, 3), np.uint8))

    def test_metadata(self, exported):
        graph = open_graph(exported[True], 'cpu', self.name)
        assert type(graph) is RUNTIMES[self.name] and graph.path == exported[True]
        assert json.loads(graph.text)['classes'][1] == 'bar'

    def test_results_stay_when_the_next_image_comes(self, exported):
        graph = open_graph(exported[True], 'cpu', self.name)
        first = graph.run(noise(40, 50)[None])
        kept = [each.copy() for each in first]
        graph.run(noise(40, 50)[None])
        assert all(np.array_equal(a, b) for a, b in zip(first, kept))

    def test_several_threads(self, exported):
        graph = self.open(exported[True])
        images = [noise(30 + i, 60 - i) for i in range(8)]
        expected = [graph(image).labels for image in images]
        with ThreadPoolExecutor(4) as pool:
            found = pool.map(lambda image: graph(image).labels, images)
            assert all(np.array_equal(a, b) for a, b in zip(found, expected))

    @pytest.mark.parametrize('content', [b'', b'no graph', b'\x08\x07' * 40])
    def test_what_is_no_onnx(self, tmp_path, content):
        (tmp_path / 'bad.onnx').write_bytes(content)
        with pytest.raises(ValueError, match='bad.onnx'):
            self.open(tmp_path / 'bad.onnx')

    def test_a_cut_file(self, exported, tmp_path):
        content = exported[True].read_bytes()
        (tmp_path / 'cut.onnx').write_bytes(content[:len(content) // 2])
        with pytest.raises(ValueError, match="cannot load '.*cut.onnx' as ONNX"):
            self.open(tmp_path / 'cut.onnx')

    def test_a_file_of_others(self, exported, tmp_path):
        foreign = onnx.load(str(exported[True]))
        del foreign.metadata_props[:]
        onnx.save(foreign, str(tmp_path / 'foreign.onnx'))
        with pytest.raises(ValueError, match='not written by tools/export.py'):
            self.open(tmp_path / 'foreign.onnx')

    @pytest.mark.parametrize('name', [
        '../secret', 'in/../../secret', './../secret', '{folder}/secret'])
    def test_no_file_elsewhere_is_read(self, exported, tmp_path, monkeypatch, name):
        """A graph could name any file of this machine, and give it away as labels."""
        (tmp_path / 'in' / 'in').mkdir(parents=True)
        (tmp_path / 'secret').write_bytes(np.arange(4, dtype=np.float32).tobytes())
        name = name.format(folder=tmp_path)
        monkeypatch.chdir(tmp_path / 'in')
        weight = onnx.TensorProto(name='w', data_type=1, dims=[4], data_location=1)
        weight.external_data.add(key='location', value=name)
        values = [onnx.helper.make_tensor_value_info(one, 1, [4]) for one in 'xy']
        model = onnx.helper.make_model(onnx.helper.make_graph(
            [onnx.helper.make_node('Add', ['x', 'w'], ['y'])], 'g', values[:1], values[1:],
            [weight]), opset_imports=[onnx.helper.make_opsetid('', 17)], ir_version=8)
        model.metadata_props.add(key=META_KEY, value='{}')
        (tmp_path / 'in' / 'bad.onnx').write_bytes(model.SerializeToString())
        with pytest.raises(ValueError, match="cannot load '.*bad.onnx' as ONNX"):
            open_graph(tmp_path / 'in' / 'bad.onnx', 'cpu', self.name)

    def test_devices(self, exported):
        with pytest.raises(ValueError, match="no device 'moon'.*cuda:0"):
            FCNInferencer(exported[True], device='moon', runtime=self.name)
        if not torch.cuda.is_available():
            with pytest.raises(ValueError, match="'cuda:0' was asked for.*--device cpu"):
                FCNInferencer(exported[True], device='cuda:0', runtime=self.name)

    def test_not_installed(self, exported, monkeypatch):
        monkeypatch.setitem(sys.modules, self.package, None)
        with pytest.raises(ImportError, match=f'by {self.name}.*not installed: pip install.*'
                           r'mmseg-fcn-plugin\[' .replace(self.name, self.spelt)):
            self.open(exported[True])


class TestOnnxruntime(RuntimeTests):
    name = package = spelt = 'onnxruntime'

    def test_fast_is_refused(self, exported):
        with pytest.raises(ValueError, match='fast.*needs OpenVINO.*pip install'):
            self.open(exported[True], fast=True)

    def test_of_a_long_reason_the_first_line_is_said(self, monkeypatch):
        import onnxruntime

        def refuse(*args, **kwargs):
            raise RuntimeError('the schema is not known\nof what and where')

        monkeypatch.setattr(onnxruntime, 'InferenceSession', refuse)
        with pytest.raises(ValueError, match=r"^cannot load 'net.onnx' as ONNX: the schema is "
                           r'not known$'):
            RUNTIMES[self.name](Path('net.onnx'), 'cpu')

    @pytest.mark.parametrize('device, gpus, wanted', [
        ('auto', True, 0), ('cuda:1', True, 1), ('cpu', True, None), ('auto', False, None)])
    def test_what_it_computes_on(self, monkeypatch, device, gpus, wanted):
        """As if there were a GPU; it goes first, and the CPU does what that cannot."""
        import onnxruntime
        seen, cpu, gpu = [], 'CPUExecutionProvider', 'CUDAExecutionProvider'
        monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: [gpu] * gpus)
        monkeypatch.setattr(onnxruntime, 'InferenceSession', lambda path, options, providers: (
            seen.append((options.intra_op_num_threads, providers)), SimpleNamespace(
                get_modelmeta=lambda: SimpleNamespace(custom_metadata_map={}),
                get_providers=lambda: [gpu]))[1])
        RUNTIMES[self.name](Path('net.onnx'), device, threads=3)
        assert seen == [(3, [cpu] if wanted is None else [(gpu, dict(device_id=wanted)), cpu])]


class TestOpenvino(RuntimeTests):
    name = package = 'openvino'
    spelt = 'OpenVINO'

    def test_fast_keeps_labels_at_their_places(self, exported, reference):
        """In 16 bits places beyond 256 would be rounded to whole pixels and more."""
        image = np.kron(noise(9, 30), np.ones((32, 32, 1), np.uint8))
        found = self.open(exported[True], fast=True)(image, scores=True)
        expected = reference(image, scores=True)
        top = np.sort(expected.scores, 0)
        sure = top[-1] - top[-2] > 0.1
        assert sure.mean() > 0.5
        assert (found.labels == expected.labels)[sure].mean() > 0.999

    @pytest.mark.parametrize('fast, able, expected', [
        (True, True, 'bf16'), (True, False, 'f32'), (False, True, 'f32')])
    def test_what_it_computes_in(self, exported, monkeypatch, fast, able, expected):
        seen = []
        monkeypatch.setattr(openvino_graph, 'has_bfloat16', lambda: able)
        monkeypatch.setattr(openvino_graph, '_compile', lambda model, how: seen.append(how))
        openvino_graph.OpenvinoGraph(exported[True], 'cpu', fast, threads=3)
        assert seen[0]['INFERENCE_PRECISION_HINT'].get_type_name() == expected
        assert seen[0]['INFERENCE_NUM_THREADS'] == 3

    def test_fast_wants_a_graph_of_exact_places(self, exported, tmp_path):
        old = changed(exported[True], tmp_path / 'old.onnx',
                      lambda meta: meta.pop('exact_places'))
        with pytest.raises(ValueError, match='old.onnx.*16 bits misplace.*export it again'):
            self.open(old, fast=True)
        self.open(old)

    def test_an_image_beyond_its_whole_numbers(self, exported):
        with pytest.raises(ValueError, match='too long for OpenVINO.*--runtime onnxruntime'):
            self.open(exported[True])(noise(1, 32_001))

    @pytest.mark.skipif(not hasattr(signal, 'SIGUSR1'), reason='Windows has no such signal')
    def test_a_signal_after_graphs_have_gone_and_telemetry(self, exported):
        """As a loader's worker sends one when it ends; it killed the process. Of all that
        the makers of OpenVINO are told nothing."""
        code = ('import gc, signal; import numpy as np; from pathlib import Path\n'
                'from fcn_plugin.runtimes.openvino_graph import OpenvinoGraph\n'
                f'graphs = [OpenvinoGraph(Path({str(exported[True])!r})) for _ in range(2)]\n'
                'for _ in range(2):\n'
                '    graphs[0].run(np.zeros((1, 32, 32, 3), np.uint8))\n'
                '    del graphs[0]\n'
                '    gc.collect()\n'
                'signal.signal(signal.SIGUSR1, lambda *_: None)\n'
                "signal.raise_signal(signal.SIGUSR1)\nprint('alive')\n"
                'import sys\n'
                "print([name for name in sys.modules if 'openvino_telemetry.' in name])")
        done = subprocess.run([sys.executable, '-c', code], text=True, capture_output=True,
                              cwd=ROOT)
        *_, alive, told = done.stdout.splitlines() or [done]
        assert alive == 'alive', done
        assert told == '[]', 'its makers are told'


# --- the choice -----------------------------------------------------------------------


def without(monkeypatch, package):
    """As if a package were not installed."""
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(openvino_graph, 'find_spec', lambda name: None)


def test_auto(exported, monkeypatch):
    pytest.importorskip('openvino')
    x86 = openvino_graph.platform.machine() in ('x86_64', 'AMD64')
    if not torch.cuda.is_available():
        assert type(open_graph(exported[True])).__name__ == (
            'OpenvinoGraph' if x86 else 'OnnxruntimeGraph')
    assert table.chosen('cuda') == 'onnxruntime'
    on_cpu, opened = table.chosen('cpu'), []
    monkeypatch.setattr(table, '_has_gpu', lambda: True)
    assert table.chosen() == 'onnxruntime' and table.chosen('cpu') == on_cpu
    with monkeypatch.context() as patch:
        patch.setattr(table, 'OnnxruntimeGraph', lambda *given: opened.append(given))
        open_graph(exported[True], 'cuda:0')
    assert opened == [(exported[True], 'cuda:0')]
    monkeypatch.setattr(openvino_graph.platform, 'machine', lambda: 'aarch64')
    assert table.chosen('cpu') == 'onnxruntime'


def test_auto_without_openvino(exported, monkeypatch):
    without(monkeypatch, 'openvino')
    assert type(open_graph(exported[True], 'cpu')).__name__ == 'OnnxruntimeGraph'
    with pytest.raises(ImportError, match='run by OpenVINO, which is not installed'):
        open_graph(exported[True], 'cpu', fast=True)


def test_auto_goes_on_to_onnxruntime(exported, tmp_path):
    """An operation that OpenVINO does not know."""
    pytest.importorskip('openvino')
    model = onnx.load(str(exported[True]))
    model.graph.initializer.append(
        onnx.numpy_helper.from_array(np.eye(2, dtype=np.float32), 'square'))
    model.graph.node.append(onnx.helper.make_node('Det', ['square'], ['det']))
    model.graph.output.append(onnx.helper.make_tensor_value_info('det', 1, []))
    onnx.save(model, str(tmp_path / 'net.onnx'))
    image = noise(40, 50)
    with pytest.warns(UserWarning, match='OpenVINO cannot load.*; onnxruntime runs it'):
        graph = open_graph(tmp_path / 'net.onnx', 'cpu')
    assert np.array_equal(graph.run(image[None])[0],
                          open_graph(exported[True], 'cpu').run(image[None])[0])


def test_the_command_offers_what_there_is(capsys):
    """The names are written down twice, as importing them would import numpy."""
    for subcommand in ('predict', 'show'):
        for name in ('auto', *RUNTIMES):
            assert command.parsed(subcommand, ['x', '--runtime', name])[1]['runtime'] == name
        with pytest.raises(SystemExit):
            command.parsed(subcommand, ['x', '--runtime', 'moon'])


def test_show_takes_an_exported_file(exported, photos, tmp_path, capsys):
    file, = show(exported[True], photos, out_dir=tmp_path, heatmap='ring', device='cpu',
                 runtime='onnxruntime')
    assert '2 of 2 images' in capsys.readouterr().out and file.is_file()
    with pytest.raises(ValueError, match='net_True.onnx. knows no validation set: give im'):
        show(exported[True], out_dir=tmp_path)


def test_runtimes_that_are_none(trained, exported):
    with pytest.raises(ValueError, match="no runtime 'moon': write auto or openvino or onnx"):
        FCNInferencer(exported[True], runtime='moon')
    with pytest.raises(FileNotFoundError, match='none.onnx'):
        FCNInferencer('none.onnx', runtime='openvino')
    for model in (trained / 'best.pth', None):
        with pytest.raises(ValueError, match="'onnxruntime' runs exported files.*fcn export"):
            FCNInferencer(model, runtime='onnxruntime')


@pytest.mark.filterwarnings('ignore:Specified provider')
def test_cuda_that_does_not_start_is_no_cpu(exported, monkeypatch):
    """onnxruntime goes on without it, having said so."""
    import onnxruntime
    if 'CUDAExecutionProvider' in onnxruntime.get_available_providers():
        pytest.skip('CUDA starts here')
    monkeypatch.setattr(onnxruntime, 'get_available_providers',
                        lambda: ['CUDAExecutionProvider', 'CPUExecutionProvider'])
    with pytest.raises(ValueError, match="'cuda:0' was asked for.* cannot start CUDA"):
        open_graph(exported[True], 'cuda:0', 'onnxruntime')
    assert open_graph(exported[True], 'auto', 'onnxruntime').text
