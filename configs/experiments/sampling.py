# The paper's figure 5: whole images against losses that count a half and a quarter of their
# cells, of twice and four times as many images a step. losses.png has the curves:
#   python tools/analysis_tools/run_experiments.py configs/experiments/sampling.py
config = './_base_/sampling.py'

changes = {
    'whole_images': {},
    'half_of_the_cells': {
        'train_dataloader.batch_size': 8,
        'model.decode_head.sampler': dict(type='CellSampler', keep=0.5, cell=16),
    },
    'a_quarter_of_the_cells': {
        'train_dataloader.batch_size': 16,
        'model.decode_head.sampler': dict(type='CellSampler', keep=0.25, cell=16),
    },
}
