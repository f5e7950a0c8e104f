// SPDX-License-Identifier: Apache-2.0
// Starts what tests of artifacts run against.
#include "storage/bucket_testing.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "base/ids.h"
#include "base/process.h"
#include "base/status.h"
#include "storage/folder_testing.h"

namespace slipway::storage {
namespace {

constexpr base::Micros kStartLimit = 30 * base::kSecond;
constexpr int kPortAttempts = 5;

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

// Free at this moment; neither server can be given port 0.
int FreePort() {
  const base::FileHandle socket_handle(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  CHECK(socket_handle.valid(), "no socket");
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  CHECK(bind(socket_handle.fd(), generic, size) == 0 &&
            getsockname(socket_handle.fd(), generic, &size) == 0,
        "no free port");
  return ntohs(address.sin_port);
}

bool Listens(int port) {
  const base::FileHandle socket_handle(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  CHECK(socket_handle.valid(), "no socket");
  sockaddr_in address = Loopback(port);
  return connect(socket_handle.fd(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
}

// A program of the set-up: $SLIPWAY_TOOLS/bin, then PATH.
std::string FindTool(const std::string& name) {
  std::string places;
  if (const char* tools = std::getenv("SLIPWAY_TOOLS")) places = std::string(tools) + "/bin:";
  if (const char* path = std::getenv("PATH")) places += path;
  for (size_t start = 0; start <= places.size();) {
    const size_t end = std::min(places.find(':', start), places.size());
    const std::string candidate = places.substr(start, end - start) + "/" + name;
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
    start = end + 1;
  }
  CHECK(false, name +
                   " was not found in $SLIPWAY_TOOLS/bin nor on PATH: the set-up (`make setup`, "
                   "its tools part) builds it");
}

class BucketServer {
 public:
  explicit BucketServer(const std::string& scheme) : scheme_(scheme) {
    for (const char* name : {"data", "data/bucket", "sidecar"}) {
      CHECK(base::CreateDirectories(folder_ / name).ok(), "make folders for " + scheme);
    }
    for (int attempt = 0; attempt < kPortAttempts; ++attempt) {
      if (Start()) return;
    }
    auto log = base::ReadFile(folder_ / "log", 1 << 20);
    CHECK(false, "no server for " + scheme + "://: " + (log.ok() ? *log : log.status().ToString()));
  }
  ~BucketServer() { server_->Kill(5 * base::kSecond); }

  [[nodiscard]] std::string Uri(const std::string& prefix) const {
    const std::string where =
        "@bucket/" + prefix + "?scheme=http&endpoint_override=127.0.0.1%3A" + std::to_string(port_);
    return scheme_ == "s3" ? "s3://slipway:slipway-secret" + where + "&region=us-east-1"
                           : "gs://anonymous" + where;
  }

 private:
  [[nodiscard]] std::vector<std::string> Command() const {
    const std::string address = "127.0.0.1:" + std::to_string(port_);
    if (scheme_ == "s3") {
      return {FindTool("versitygw"),
              "--port",
              address,
              "--access",
              "slipway",
              "--secret",
              "slipway-secret",
              "--quiet",
              "posix",
              "--sidecar",
              folder_ / "sidecar",
              folder_ / "data"};
    }
    return {FindTool("fake-gcs-server"),
            "-scheme",
            "http",
            "-host",
            "127.0.0.1",
            "-port",
            std::to_string(port_),
            "-public-host",
            address,
            "-data",
            folder_ / "data",
            "-backend",
            "memory",
            "-external-url",
            "http://" + address};
  }

  // False when it ended at once (the port was taken meanwhile).
  bool Start() {
    port_ = FreePort();
    auto started = base::Process::Start({Command(), {}, folder_.path(), folder_ / "log"});
    CHECK(started.ok(), started.status().ToString());
    server_.emplace(std::move(started).value());
    const int64_t give_up = base::MonotonicNanos() + kStartLimit * 1000;
    while (!Listens(port_)) {
      if (server_->Wait(20 * base::kMillisecond).ok() || base::MonotonicNanos() > give_up)
        return false;
    }
    return true;
  }

  const std::string scheme_;
  TestFolder folder_;
  int port_ = 0;
  std::optional<base::Process> server_;
};

}  // namespace

std::string FreshBlobsUri(const std::string& scheme) {
  static TestFolder local;
  const std::string name = base::RandomHex32();
  if (scheme == "file") return "file:" + (local / name);
  if (scheme == "s3") {
    static BucketServer s3("s3");
    return s3.Uri(name);
  }
  static BucketServer gcs("gs");
  return gcs.Uri(name);
}

}  // namespace slipway::storage
