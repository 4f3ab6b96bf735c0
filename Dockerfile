# syntax=docker/dockerfile:1
ARG GO_VERSION=1.26
FROM --platform=$BUILDPLATFORM golang:${GO_VERSION} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=devel
ARG TARGETOS
ARG TARGETARCH
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -tags grpcnotrace -trimpath \
    -ldflags "-s -w -X main.version=${VERSION}" \
    -o /out/ ./cmd/podcullis-webhook

# A static binary and the CA certificates: no shell, no package, no root. "make
# image-oci" writes the same without a container engine.
FROM scratch
ARG VERSION=devel
LABEL org.opencontainers.image.title="podcullis-webhook" \
      org.opencontainers.image.description="A validating admission webhook that keeps network paths shut" \
      org.opencontainers.image.source="https://github.com/podcullis/podcullis" \
      org.opencontainers.image.documentation="https://github.com/podcullis/podcullis/tree/main/docs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/ /usr/local/bin/
USER 65532:65532
ENV PATH=/usr/local/bin
# Without a tmp folder --self-signed needs --self-signed-dir; a cluster uses --cert-dir.
ENTRYPOINT ["/usr/local/bin/podcullis-webhook"]
CMD ["--bind-address=:9443", "--health-probe-bind-address=:8081", "--metrics-bind-address=:8080", "--cert-dir=/etc/podcullis/tls"]
