# Deputy in one static binary on an image that holds nothing else.
FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -tags nomsgpack -ldflags "-s -w" -o /deputy ./cmd/deputy && mkdir /data

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /deputy /deputy
COPY --from=build --chown=nonroot:nonroot /data /data
ENV DEPUTY_DATA_DIR=/data DEPUTY_LISTEN=0.0.0.0:8080
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s CMD ["/deputy", "healthcheck"]
ENTRYPOINT ["/deputy"]
CMD ["serve"]
