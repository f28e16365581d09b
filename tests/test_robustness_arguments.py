"""Every tool, every kind of wrong argument: one line that names it, and exit code 2."""
import re
import subprocess

import pytest
from PIL import Image
from tiny_runs import ROOT, run_tool, write_config

# A tool to its cases: arguments, and words of the one line. In braces: 'tiny', a config
# that trains; 'config' and 'weights', of a trained network; 'photo', an image; 'text', a
# file that is none; 'folder', an empty one; 'none', where nothing is; 'out', where
# something would be written; 'photos', 'masks' and 'data', folders of images.
CHECKPOINT = [('{tiny} {none}', ['none', 'no such checkpoint']),
              ('{tiny} {text}', ['text.txt', 'cannot load the checkpoint'])]
CONFIG = [('{none}', ['none', 'no such config file']),
          ('{text}', ['text.txt', 'is no config'])]
WEIGHTS = [('--weight-path {none}', ['none: no such checkpoint file']),
           ('--weight-path {text}', ['text.txt', 'cannot load the checkpoint']),
           ('--weight-path {weights} --config {none}', ['none', 'no config'])]
OPTIONS = ('--cfg-options nonsense', ["'nonsense'", 'KEY=VALUE'])
TABLE = {
    'train.py': [
        *CONFIG, ('{tiny} --launcher moon', ['--launcher', "'moon'", 'slurm']),
        ('{tiny} ' + OPTIONS[0], OPTIONS[1]),
        ('{tiny} --fsdp', ['--fsdp', 'unrecognized']),
        ('{tiny} --cfg-options runner_type=ShardedRunner', ['--fsdp', 'dist_train.sh']),
        ('{tiny} --cfg-options runner_type=Runner', ["'Runner'", 'FCNRunner']),
        ('{tiny} --moon', ['--moon']), ('', ['config']),
        ('{tiny} --cfg-options load_from={none}', ['none']),
        ('{tiny} --cfg-options load_from={text}', ['text.txt', 'cannot load']),
        ('{tiny} --cfg-options train_cfg.max_iters=-1', ['max_iters', '-1']),
        ('{tiny} --cfg-options train_cfg.val_interval=0', ['val_interval', '0']),
        ('{tiny} --cfg-options train_dataloader.batch_size=0', ['batch_size', '0']),
        ('{tiny} --cfg-options train_dataloader.dataset.length=0', ['length=0']),
        ('{tiny} --cfg-options model.backbone.depth=19', ['19']),
        ('{tiny} --cfg-options on_bad_sample=moon', ['on_bad_sample', "'moon'", "'skip'"]),
        ('{tiny} --work-dir {text}', ['text.txt', 'folder']),
    ],
    'train_staged.py': [
        *CONFIG, ('{tiny} --start-from moon', ['--start-from', "'moon'", 'best']),
        ('{tiny} --launcher moon', ['--launcher', "'moon'"]),
        ('', ['config'])],
    'test.py': [
        *[(f'{args} {{weights}}', words) for args, words in CONFIG], *CHECKPOINT,
        ('{tiny}', ['checkpoint']), ('{none}.pth', ['none.pth: no such checkpoint file']),
        ('{tiny} {weights} --launcher moon', ['--launcher', "'moon'"]),
        ('{tiny} {weights} --tile 0', ['tile', '0']),
        ('{tiny} {weights} --tile many', ['--tile', "'many'"]),
        ('{tiny} {weights} --tile 64 --overlap -3', ['overlap', '-3']),
        ('{tiny} {weights} --wait-time -1', ['--wait-time', '-1']),
        ('{tiny} {weights} --tta', ['tta_pipeline']),
        ('{tiny} {weights} ' + OPTIONS[0], OPTIONS[1])],
    'predict.py': [
        *[(f'--img-path {{photo}} {args}', words) for args, words in WEIGHTS],
        ('--weight-path {weights} --img-path {none}', ['none', 'no such file']),
        ('--weight-path {weights} --img-path {text}', ['text.txt']),
        ('--weight-path {weights} --img-path {folder}', ['empty', 'no image']),
        ('--weight-path {weights} --img-path {video} --format coco', ['a.mp4', 'is a video']),
        *[(f'--weight-path {{weights}} --img-path {{photo}} --format coco {one}',
           ['--format', one.split()[0]]) for one in (
               '--opacity 0.2', '--heatmap bar', '--resume', '--video-suffix .avi')],
        *[('--weight-path {weights} --img-path {photo} ' + args, words) for args, words in [
            ('--heatmap moon', ["'moon'", 'background']), ('--opacity 2', ['opacity', '2']),
            ('--device moon', ["'moon'"]), ('--batch-size 0', ['batch_size', '0']),
            ('--tile -1', ['tile', '-1']), ('--tile 64 --overlap -1', ['overlap', '-1']),
            ('--tile 64 --overlap 0 --heatmap bar', ['heat map', 'tiles', 'exported']),
            ('--cfg-options model.post_processor.steps=5', ['has no type', '--crf']),
            ('--video-suffix .moon', ["'.moon'", '.mp4']),
            ('--backbone moon', ["'moon'", 'resnet50']), ('--out-dir {text}', ['text.txt']),
            OPTIONS]],
    ],
    'predict_show.py': [
        ('--weight-path {weights} --img-path {video}', ['a.mp4', 'is a video']),
        ('--weight-path {weights} --runtime openvino', ["'openvino'", 'exported files']),
        *[(f'--img-path {{photo}} {args}', words) for args, words in WEIGHTS],
        ('--weight-path {weights} --img-path {none}', ['none', 'no such file']),
        ('--weight-path {weights} --img-path {text}', ['text.txt']),
        *[('--weight-path {weights} --img-path {photo} ' + args, words) for args, words in [
            ('--heatmap moon', ["'moon'"]), ('--opacity -1', ['opacity', '-1']),
            ('--runtime openvino', ["'openvino'", 'exported files']),
            ('--max-images 0', ['--max-images', '0']), ('--device moon', ["'moon'"]),
            OPTIONS]],
    ],
    'export.py': [
        *[(f'--out {{out}}.onnx {args}', words) for args, words in WEIGHTS],
        *[('--weight-path {weights} ' + args, words) for args, words in [
            ('--out {out}.moon', ['.moon', '.onnx']),
            ('--out {out}.onnx --img-path {text}', ['text.txt']),
            ('--out {out}.onnx --opset 1', ['opset', '1']),
            ('--out {out}.onnx --max-loss 0.1', ['--max-loss', '--int8']),
            ('--out {out}.onnx --ignore 3', ['--ignore', '--labels']),
            ('--out {out}.onnx ' + OPTIONS[0], OPTIONS[1])]],
    ],
    'analysis_tools/benchmark.py': [
        *CONFIG, ('{tiny} --tasks moon', ['--tasks', "'moon'"]),
        ('{tiny} --contenders moon', ['--contenders', "'moon'"]),
        ('{tiny} --sizes 0', ['sizes', '0']), ('{tiny} --batches 0', ['batches', '0']),
        ('{tiny} --classes 0', ['classes', '0']), ('{tiny} --rounds 0', ['rounds', '0']),
        ('{tiny} --images 0', ['images', '0']),
        ('{tiny} --device moon', ['--device', "'moon'"])],
    'analysis_tools/evaluate_folder.py': [
        ('{none} {photos} {masks}', ['none']), ('{text} {photos} {masks}', ['text.txt']),
        ('{weights} {none} {masks}', ['none']), ('{weights} {photos} {none}', ['none']),
        ('{weights} {folder} {masks}', ['empty']),
        ('{weights} {photos} {folder}', ['empty', 'no mask']),
        *[('{weights} {photos} {masks} ' + args, words) for args, words in [
            ('--config {none}', ['none']),
            ('--conditions moon', ["'moon'"]), ('--pictures -1', ['pictures', '-1']),
            ('--max-images 0', ['max', '0']), ('--batch-size 0', ['batch', '0']),
            ('--device moon', ["'moon'"]), OPTIONS]],
    ],
    'analysis_tools/report.py': [
        ('{none}', ['none', 'no folder']), ('{folder}', ['empty', 'no config']),
        *[('{folder} ' + args, words) for args, words in [
            ('--config {none}', ['none']), ('--images -1', ['--images', '-1']),
            ('--max-images 0', ['--max-images', '0']),
            ('--config {tiny} --weight-path {none}', ['none']),
            ('--config {config} --weight-path {weights} --opacity 3', ['opacity', '3']),
            OPTIONS]],
    ],
    'analysis_tools/run_experiments.py': [
        ('{none}', ['none', 'no plan']), ('{text}', ['text.txt', 'is no config']),
        ('{tiny}', ['tiny.py', 'has no config']),
        ('{tiny} --seeds moon', ['--seeds', "'moon'"])],
    'analysis_tools/stride_ceiling.py': [
        ('{none}', ['none']), ('{folder} --num-classes 3', ['empty']),
        ('{tiny} --factors 0', ['factor', '0']), ('{folder} --num-classes 0', ['0']),
        ('{masks} --cfg-options a=b', ['--cfg-options', 'is a folder']),
        ('{tiny} ' + OPTIONS[0], OPTIONS[1])],
    'analysis_tools/suggest.py': [
        ('{none} {photos}', ['none']), ('{text} {photos}', ['text.txt']),
        ('{weights} {none}', ['none']), ('{weights} {folder}', ['empty']),
        *[('{weights} {photos} ' + args, words) for args, words in [
            ('-n 0', ['-n', '0']), ('-n many', ['-n', "'many'"]),
            ('--device moon', ["'moon'"]), OPTIONS]]],
    'analysis_tools/suggest_curve.py': [
        ('{none}', ['none']), ('{text}', ['text.txt', 'is no config']),
        ('{tiny} --step many', ['--step', "'many'"]),
        ('{tiny} --step 9 --most 8', ['--step 9', '--most 8'])],
    'analysis_tools/tune_crf.py': [
        *[(f'{args} {{weights}}', words) for args, words in CONFIG],
        ('{tiny} {none}', ['none']), ('{tiny} {text}', ['text.txt']),
        ('{tiny}', ['required: checkpoint']),
        *[('{tiny} {weights} ' + args, words) for args, words in [
            ('--images 0', ['--images', '0']), ('--trimap 0', ['--trimap', '0']),
            ('--steps 0', ['steps', '0']), ('--split moon', ['--split', "'moon'"]),
            ('--engine moon', ['--engine', 'unrecognized']), ('--device moon', ["'moon'"]),
            OPTIONS]],
    ],
    'dataset_converters/download.py': [
        ('moon {out}', ["'moon'", 'voc2012']), ('voc2012', ['dest']),
        ('voc2012 {out} --url moon', ['moon', 'http'])],
    'dataset_converters/paper_data.py': [
        ('moon {folder} {out}', ["'moon'", 'nyud']),
        ('nyud {folder} {out}', ['nyud takes 3', '1 given']),
        ('nyud {none} {text} {text} {out}', ['text.txt']),
        ('siftflow {folder} {none} {out}', ['none'])],
    'dataset_converters/sbd2voc.py': [
        ('{none} {folder}', ['none']), ('{folder} {folder}', ['empty']), ('', ['sbd_root'])],
    'dataset_converters/shapes2voc.py': [
        *[('{out} ' + args, words) for args, words in [
            ('--train 0', ['0']), ('--val 0', ['0']), ('--seed -1', ['seed', '-1']),
            ('--image-size 8 9', ['image_size', '8', '9', '32']),
            ('--image-size 90 40', ['image_size', '90', '40']),
            ('--border -2', ['border', '-2']), ('--train many', ['--train', "'many'"])]],
        ('{text}', ['text.txt'])],
    'misc/check_dataset.py': [
        ('{none}', ['none']), ('{folder}', ['empty']), ('{text}', ['text.txt']),
        *[('{photos} ' + args, words) for args, words in [
            ('--images moon', ['moon']), ('--masks moon', ['moon']),
            ('--val-share 2', ['val', '2']),
            ('--images photos', ['photos'])]],
        ('{data} --outside ignore', ['--outside', 'read as masks', '--ignore']),
        ('{none} --outside ignore', ['none: no such folder']),
        ('{data} --val-share 2', ['val', '2']), ('{data} --seed many', ['--seed', "'many'"]),
    ],
    'misc/describe_backbone.py': [
        ('MoonNet', ["'MoonNet'"]), ('ResNet depth=19', ['19']), ('ResNet depth', ["'depth'"]),
        ('{none}.py', ['none.py']), ('mmpretrain.ResNet depth=18 --stride 64', ['stride 64']),
        ('{tiny} --device cpu', ['--device cpu', '--shape']),
        ('{tiny} --shape 64 64 --stride 4', ['--stride 4', '--shape'])],
    'misc/doctor.py': [('{tiny} ' + OPTIONS[0], OPTIONS[1]),
                       ('--cfg-options a=b', ['--cfg-options', 'doctor CONFIG'])],
    'misc/launch.py': [('--nproc_per_node=moon {tiny}', ['moon']), ('', ['training_script'])],
    'misc/draw_network.py': [
        *[(f'{args} --out {{out}}.png', words) for args, words in CONFIG],
        ('{tiny} --out {out}.moon', ['.moon', '.png']),
        ('{tiny} --out {none}/a.png', ['no folder', 'none']), ('{tiny}', ['--out']),
        ('{tiny} --out {out}.png ' + OPTIONS[0], OPTIONS[1])],
    'model_converters/caffe2fcn.py': [
        ('{none} {out}.pth', ['none']), ('{text} {out}.pth', ['text.txt']),
        ('{text} {out}.pth --variant moon', ['--variant', "'moon'"])],
    'model_converters/fcn2port.py': [
        ('{none} {out}.pth', ['none']), ('{text} {out}.pth', ['text.txt']),
        ('{weights} {out}.pth', ['best.pth'])],
    'model_converters/publish_model.py': [
        ('{none} {out}.pth', ['none']), ('{text} {out}.pth', ['text.txt']),
        ('{bare} {out}.pth', ['bare.pth', 'keeps no']),
        ('{weights} {out}.pth --dtype moon', ['--dtype', "'moon'", 'float16']),
        ('{weights} {out}.pth --notes moon', ['--notes', "'moon'"])],
    'dist_train.sh': [('', ['usage', 'CONFIG', 'NPROC'])],
    'dist_test.sh': [('{tiny}', ['usage', 'CHECKPOINT'])],
    'slurm_train.sh': [('moon', ['usage', 'PARTITION'])],
    'slurm_test.sh': [('moon', ['usage', 'PARTITION'])],
}


def test_every_tool_is_in_the_table():
    tools = ROOT / 'tools'
    assert {str(path.relative_to(tools)) for kind in ('*.py', '*.sh')
            for path in tools.rglob(kind)
            if kind == '*.sh' or "__name__ == '__main__'" in path.read_text()} == set(TABLE)


@pytest.fixture(scope='module')
def places(tmp_path_factory, trained):
    root = tmp_path_factory.mktemp('arguments')
    (root / 'text.txt').write_text('This is a text, (and not Python.\n')
    for name in ('empty', 'photos', 'data', 'data/images', 'data/masks'):
        (root / name).mkdir()
    photo = root / 'photos' / 'a.png'
    for path in (photo, *(root / f'data/images/{i}.png' for i in range(5))):
        Image.new('RGB', (40, 30)).save(path)
    for i in range(5):
        Image.new('L', (40, 30), i % 2).save(root / f'data/masks/{i}.png')
    Image.new('L', (40, 30)).save(root / 'data/masks/a.png')
    (root / 'a.mp4').touch()
    return dict(tiny=write_config(root), config=trained / 'config.py',
                weights=trained / 'best.pth', bare=trained / 'bare.pth',
                photo=photo, photos=photo.parent, video=root / 'a.mp4',
                data=root / 'data', masks=root / 'data/masks',
                text=root / 'text.txt', folder=root / 'empty', none=root / 'none')


@pytest.mark.parametrize('tool, args, words', [
    (tool, args, words) for tool, cases in TABLE.items() for args, words in cases])
def test_wrong_argument(places, tmp_path, monkeypatch, tool, args, words):
    monkeypatch.chdir(tmp_path)
    arguments = [one.format(**places, out=tmp_path / 'out') for one in args.split()]
    if tool.endswith('.sh'):
        done = subprocess.run([ROOT / 'tools' / tool, *arguments], text=True,
                              capture_output=True)
        code, err = done.returncode, done.stderr
    else:
        code, _, err = run_tool(tool, *arguments)
    assert code == 2, err
    assert 'Traceback' not in err
    # An error that is no user's says where it happened: in a library, never here.
    place = re.search(r' in (\S+\.py), line \d+; --debug shows', err)
    assert not place or not list(ROOT.glob(f'fcn_plugin/**/{place[1]}')), err
    line = err.strip().splitlines()[-1]
    # argparse puts the tool's name in front, and how it is used in the lines above
    assert line.startswith(('error: ', 'usage: ')) or f'{tool.split("/")[-1]}: error: ' in line
    for word in words:
        assert word in line, line
    left = [path for path in tmp_path.rglob('*') if path.is_file()
            and 'work_dirs' not in path.parts]  # where a training logs
    assert not left
    assert not list(places['folder'].iterdir())
