# The command on a CPU. Photos stay on your machine:
#   docker build -t faceshield .
#   docker run --rm --network none --user "$(id -u):$(id -g)" -v "$PWD/photos:/in:ro" -v "$PWD/out:/out" \
#       -v faceshield-home:/home/faceshield faceshield cloak /in -o /out
FROM python:3.12-slim
WORKDIR /src
COPY setup.cfg pyproject.toml README.md LICENSE ./
COPY faceshield faceshield
COPY weights weights
COPY recipes recipes
RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu '.[heif]' \
    && mkdir --mode 1777 /home/faceshield
# identities: keep this volume, or the next photos get another noise
ENV FACESHIELD_HOME=/home/faceshield
WORKDIR /home/faceshield
ENTRYPOINT ["faceshield"]
CMD ["--help"]
