# The image of viaduct: one static binary and its licences. `make image` builds
# the binary for each architecture first; nothing is fetched.
FROM scratch
ARG TARGETARCH
COPY LICENSE LICENSE-BPF /
COPY bin/linux-${TARGETARCH}/viaduct /viaduct
LABEL org.opencontainers.image.title="viaduct" \
      org.opencontainers.image.description="See what SIP neighbours do with their connections" \
      org.opencontainers.image.licenses="Apache-2.0 AND (GPL-2.0-only OR BSD-2-Clause)"
# It needs uid 0 beside its capabilities, to read what belongs to root.
USER 0:0
EXPOSE 19060
ENTRYPOINT ["/viaduct"]
CMD ["agent"]
