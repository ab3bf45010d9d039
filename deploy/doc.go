// SPDX-License-Identifier: Apache-2.0

// Package deploy holds what puts viaduct on hosts and clusters: a chart and the
// plain manifests made of it, a systemd unit, a Debian package. It is a module
// of its own because its tests need Helm and the types of Kubernetes, which
// viaduct does not.
package deploy
