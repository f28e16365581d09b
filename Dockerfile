# Runs fcn on files of the folder that is mounted at /data:
#
#     docker build -t fcn .
#     docker run --rm -v "$PWD:/data" fcn predict photo.jpg --out out
#
# The torch in it computes on the CPU. With PyPI's, several GB larger, it computes on NVIDIA GPUs
# (--gpus all when it is run):
#
#     docker build -t fcn:cuda --build-arg TORCH_INDEX=https://pypi.org/simple .
ARG PYTHON=3.11
FROM python:${PYTHON}-slim-bookworm

# Debian keeps only the newest release of a package, so that a pinned one is gone in weeks.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/fcn
COPY constraints.txt ./
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
# First and alone: a change of the sources does not fetch it again.
RUN pip install --no-cache-dir --constraint constraints.txt --extra-index-url "${TORCH_INDEX}" \
    torch
COPY setup.py pyproject.toml README.md LICENSE model-index.yml ./
COPY configs configs
COPY tools tools
COPY fcn_plugin fcn_plugin
# --user "$(id -u):$(id -g)" when it is run makes what is written to /data yours.
RUN pip install --no-cache-dir --constraint constraints.txt '.[export,hub]'
# Whoever it is may keep caches in /tmp.
USER 1000:1000
ENV HOME=/tmp
WORKDIR /data
ENTRYPOINT ["fcn"]
CMD ["--help"]
