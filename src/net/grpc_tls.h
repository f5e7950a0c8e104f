// SPDX-License-Identifier: Apache-2.0
// TLS for gRPC, from the same files as for HTTP. Private to net.
#pragma once

#include <memory>

#include "net/tls_files.h"

namespace grpc {
class ServerCredentials;
}

namespace slipway::net {

// New connections are shown the certificate that `files` has then. Both must outlive the server.
std::shared_ptr<grpc::ServerCredentials> GrpcCredentials(const TlsFiles& files);

}  // namespace slipway::net
