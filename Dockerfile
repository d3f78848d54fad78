# The detection server. Needs no BuildKit.
#
#     docker build -t offload .
#     docker run --read-only --tmpfs /tmp -p 127.0.0.1:8080:8080 -e OFFLOAD_TOKEN offload
#
# BASE     the Python to build on, which is not pinned: `just base` prints it by digest
# RUNTIME  tflite, or tensorflow, which runs SavedModels as well, or onnx
# TARGET   server, or aws: the same with AWS' clients, for functions of Lambda and fleets' machines
# MODEL    what is served: builtin, a name or URL that is pulled now, or a path below models/
ARG BASE=python:3.11-slim

FROM $BASE AS libraries
ARG RUNTIME=tflite
COPY container/*.txt /tmp/build/
# What goes again serves other hardware, compilers and numpy's own tests: 45 MB.
# Bytecode that is never checked against its source loads faster, and outlives changed time stamps.
RUN python -m venv --without-pip /opt/offload/venv \
 && python -m pip --python /opt/offload/venv/bin/python install --no-cache-dir --no-compile \
        -r /tmp/build/$RUNTIME.txt \
 && cd /opt/offload/venv/lib/python3*/site-packages \
 && rm -rf ai_edge_litert/libLiteRtWebGpuAccelerator.so ai_edge_litert/vendors \
        ai_edge_litert/tools/apply_plugin_main tensorflow/include clang \
 && find numpy -type d -name tests -prune -exec rm -r {} + \
 && python -m compileall -q -j 0 --invalidation-mode unchecked-hash .

FROM libraries AS ours
# Here rather than when the wheel is built, so that a change of ours needs no network.
RUN python -m pip install --no-cache-dir -r /tmp/build/build.txt
COPY . /tmp/build/
# In a tree of its own, so that a change of ours is a small layer of the image.
RUN python -m pip wheel --no-deps --no-build-isolation -w /tmp/wheel /tmp/build \
 && python -m pip --python /opt/offload/venv/bin/python install --no-cache-dir --no-compile \
        --no-deps --no-warn-script-location --root /ours /tmp/wheel/*.whl \
 && python -m compileall -q --invalidation-mode unchecked-hash /ours \
 && cp -r /ours/. /
ARG MODEL=builtin
ENV OFFLOAD_CACHE=/ours/opt/offload/cache
RUN mkdir -p "$OFFLOAD_CACHE" /ours/opt/offload/models \
 && case "$MODEL" in \
        models/*) cp -r "/tmp/build/$MODEL" /ours/opt/offload/models/ ;; \
        *) /opt/offload/venv/bin/offload models pull "$MODEL" ;; \
    esac \
 && chmod -R u=rwX,go=rX /ours

# What a function and a fleet's machine have besides, in a tree of its own: all else is the server's,
# layer by layer. AWS' library describes 400 services, which are 28 MB.
FROM libraries AS client
ARG TARGET=server
RUN mkdir /client \
 && if test $TARGET = aws; then \
        python -m pip --python /opt/offload/venv/bin/python install --no-cache-dir --no-compile \
            --no-warn-script-location --root /client -r /tmp/build/lambda.txt \
     && cd /client/opt/offload/venv/lib/python3*/site-packages \
     && find botocore/data -mindepth 1 -maxdepth 1 -type d ! -name autoscaling ! -name dynamodb \
        ! -name s3 ! -name sqs -exec rm -r {} + \
     && python -m compileall -q -j 0 --invalidation-mode unchecked-hash .; \
    fi

FROM $BASE
COPY --from=libraries /opt/offload/venv /opt/offload/venv
COPY --from=ours /ours /
WORKDIR /opt/offload
ARG RUNTIME=tflite
ARG MODEL=builtin
ENV PATH=/opt/offload/venv/bin:$PATH HOME=/tmp \
    OFFLOAD_CACHE=/opt/offload/cache OFFLOAD_MODEL=$MODEL
# Proves that the model runs, and leaves the bytecode of what it takes from the standard library.
RUN offload detect --quiet venv/lib/python3*/site-packages/offload/examples >/dev/null \
 && python -c "import fastapi_offline, httptools, httpx, multipart, prometheus_client, rich, uvicorn, uvloop"
COPY --from=client /client /
ARG TARGET=server
RUN test $TARGET != aws || python -c "import awslambdaric.bootstrap, boto3; [boto3.client(name, 'us-east-1') for name in ('autoscaling', 'dynamodb', 's3', 'sqs')]"
# PORT is where the health check looks: who gives `serve` another --port gives that too.
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PORT=8080
LABEL offload.runtime=$RUNTIME
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["python", "-c", "import http.client as h, os; c = h.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=4); c.request('GET', '/readyz'); exit(c.getresponse().status != 200)"]
ENTRYPOINT ["offload"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8080"]
