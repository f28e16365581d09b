# The paper's stages on VOC at 224x224: FCN-32s, 16s from it, 8s from that, and 8s at once:
#   python tools/analysis_tools/run_experiments.py configs/experiments/voc12_vgg16.py --amp
config = '../fcn/fcn-8s_vgg16-lean_1xb16-1500_voc12-224x224.py'

_head = 'model.decode_head'
changes = {
    'at_once': {},
    '32s': {
        f'{_head}.in_channels': (512, ),
        f'{_head}.in_index': (2, ),
        f'{_head}.in_strides': (32, ),
        f'{_head}.skip_scales': (1, ),
    },
    '16s': {
        f'{_head}.in_channels': (512, 512),
        f'{_head}.in_index': (1, 2),
        f'{_head}.in_strides': (16, 32),
        f'{_head}.skip_scales': (0.1, 1),
    },
    '8s': {},  # as at once, but from the 16s
}
after = {'16s': '32s', '8s': '16s'}
