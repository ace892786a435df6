# The command on a CPU. Photos stay on your machine:
#   docker build -t faceshield .
#   docker run --rm --network none --user "$(id -u):$(id -g)" -v "$PWD/photos:/in:ro" -v "$PWD/out:/out" \
#       -v faceshield-home:/home/faceshield faceshield cloak /in -o /out
FROM scratch AS source
COPY setup.cfg pyproject.toml README.md LICENSE /
COPY faceshield /faceshield
COPY weights /weights
COPY recipes /recipes

FROM python:3.12-slim
# from PyTorch's own index alone: with PyPI beside it, a newer build with CUDA would be taken
RUN pip install --no-cache-dir --index-url https://download.pytorch.org/whl/cpu 'torch>=2.2' 'torchvision>=0.17'
# what the build writes into its source is dropped; any user may write the home, since --user names one
RUN --mount=type=bind,from=source,target=/src,rw \
    pip install --no-cache-dir '/src[heif]' \
    && mkdir --mode 1777 /home/faceshield
# identities: keep this volume, or the next photos get another noise
ENV FACESHIELD_HOME=/home/faceshield
WORKDIR /home/faceshield
USER 1000:1000
ENTRYPOINT ["faceshield"]
CMD ["--help"]
