// SPDX-License-Identifier: Apache-2.0
// Outbound connections: resolve, check each address against the allow-list, connect, speak TLS. The
// one place with OpenSSL's SSL.
#include "net/outbound.h"

#include <netdb.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/clock.h"
#include "base/files.h"

namespace slipway::net {

namespace {

struct Address {
  sockaddr_storage raw{};
  socklen_t size = 0;
  IpAddress ip;
};

base::Result<std::vector<Address>> Resolve(const std::string& host, uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int problem = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  if (problem != 0)
    return base::Unavailable("cannot_resolve",
                             "cannot resolve " + host + ": " + gai_strerror(problem));
  std::vector<Address> addresses;
  for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
    std::array<char, NI_MAXHOST> text{};
    if (getnameinfo(one->ai_addr, one->ai_addrlen, text.data(), text.size(), nullptr, 0,
                    NI_NUMERICHOST) != 0)
      continue;
    std::string numeric(text.data());
    numeric = numeric.substr(0, numeric.find('%'));  // a link-local address's interface
    auto ip = IpAddress::Parse(numeric);
    if (!ip.ok()) continue;
    Address address;
    std::memcpy(&address.raw, one->ai_addr, one->ai_addrlen);
    address.size = one->ai_addrlen;
    address.ip = std::move(ip).value();
    addresses.push_back(std::move(address));
  }
  freeaddrinfo(list);
  return addresses;
}

base::Status WaitFor(int fd, int16_t events, int64_t deadline) {
  while (true) {
    const int64_t left_ns = deadline - base::MonotonicNanos();
    if (left_ns <= 0)
      return {base::Code::kDeadlineExceeded, "call_timeout", "the call did not end in time"};
    pollfd entry{fd, events, 0};
    const int ready =
        poll(&entry, 1, static_cast<int>(std::min<int64_t>(left_ns / 1'000'000 + 1, 60'000)));
    if (ready > 0) return base::Status::Ok();
    if (ready < 0 && errno != EINTR) return base::FromErrno(errno, "poll");
  }
}

base::Status Broken(std::string_view doing, int error) {
  return base::Unavailable("connection_failed",
                           std::string(doing) + ": " + std::strerror(error));  // NOLINT
}

base::Result<base::FileHandle> ConnectTo(const Address& address, int64_t deadline) {
  base::FileHandle handle(
      socket(address.raw.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!handle.valid()) return base::FromErrno(errno, "socket");
  const std::string doing = "connect to " + address.ip.ToString();
  if (connect(handle.fd(), reinterpret_cast<const sockaddr*>(&address.raw), address.size) == 0)
    return handle;
  if (errno != EINPROGRESS) return Broken(doing, errno);
  TRY(WaitFor(handle.fd(), POLLOUT, deadline));
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(handle.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return Broken(doing, error);
  return handle;
}

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
struct FreeSsl {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

// The newest OpenSSL error of this thread as text.
std::string SslErrorText() {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_peek_last_error(), text.data(), text.size());
  ERR_clear_error();
  return text.data();
}

class Tls final : public Outbound {
 public:
  Tls(base::FileHandle handle, int64_t deadline)
      : socket_(std::move(handle)), deadline_(deadline) {}

  // The certificate must be signed by one of the system's authorities and name `host`.
  base::Status Handshake(const std::string& host) {
    context_.reset(SSL_CTX_new(TLS_client_method()));
    if (!context_ || SSL_CTX_set_default_verify_paths(context_.get()) != 1)
      return Failed("set up TLS");
    SSL_CTX_set_min_proto_version(context_.get(), TLS1_2_VERSION);
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    ssl_.reset(SSL_new(context_.get()));
    if (!ssl_ || SSL_set_fd(ssl_.get(), socket_.fd()) != 1) return Failed("set up TLS");
    X509_VERIFY_PARAM* verify = SSL_get0_param(ssl_.get());
    const bool is_address = IpAddress::Parse(host).ok();
    const bool named =
        is_address ? X509_VERIFY_PARAM_set1_ip_asc(verify, host.c_str()) == 1
                   : SSL_set_tlsext_host_name(ssl_.get(), host.c_str()) == 1 &&
                         X509_VERIFY_PARAM_set1_host(verify, host.c_str(), host.size()) == 1;
    if (!named) return Failed("set up TLS");
    return Repeat("TLS handshake with " + host, [&] { return SSL_connect(ssl_.get()); }).status();
  }

  base::Status Write(std::string_view bytes) override {
    while (!bytes.empty()) {
      const int size = static_cast<int>(std::min<size_t>(bytes.size(), 1 << 20));
      const int sent =
          TRY(Repeat("send", [&] { return SSL_write(ssl_.get(), bytes.data(), size); }));
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return base::Status::Ok();
  }

  base::Result<size_t> Read(std::span<char> buffer) override {
    const int size = static_cast<int>(std::min<size_t>(buffer.size(), 1 << 20));
    const int got =
        TRY(Repeat("receive", [&] { return SSL_read(ssl_.get(), buffer.data(), size); }));
    return static_cast<size_t>(got);
  }

  base::Result<std::unique_ptr<Outbound>> Secure(const std::string& /*host*/) override {
    return base::FailedPrecondition("tls_already", "this connection speaks TLS already");
  }

 private:
  static base::Status Failed(const std::string& doing) {
    return base::Unavailable("tls_failed", doing + ": " + SslErrorText());
  }

  // Calls until done, waiting for the socket as OpenSSL asks; 0: the peer ended the stream.
  template <typename Call>
  base::Result<int> Repeat(const std::string& doing, Call call) {
    while (true) {
      ERR_clear_error();
      const int result = call();
      if (result > 0) return result;
      switch (SSL_get_error(ssl_.get(), result)) {
        case SSL_ERROR_WANT_READ:
          TRY(WaitFor(socket_.fd(), POLLIN, deadline_));
          break;
        case SSL_ERROR_WANT_WRITE:
          TRY(WaitFor(socket_.fd(), POLLOUT, deadline_));
          break;
        case SSL_ERROR_ZERO_RETURN:
          return 0;
        default:
          return Failed(doing);
      }
    }
  }

  base::FileHandle socket_;
  int64_t deadline_;
  std::unique_ptr<SSL_CTX, FreeContext> context_;
  std::unique_ptr<SSL, FreeSsl> ssl_;
};

class Plain final : public Outbound {
 public:
  Plain(base::FileHandle handle, int64_t deadline)
      : socket_(std::move(handle)), deadline_(deadline) {}

  base::Status Write(std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t sent = send(socket_.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent >= 0) {
        bytes.remove_prefix(static_cast<size_t>(sent));
      } else if (errno == EAGAIN) {
        TRY(WaitFor(socket_.fd(), POLLOUT, deadline_));
      } else if (errno != EINTR) {
        return Broken("send", errno);
      }
    }
    return base::Status::Ok();
  }

  base::Result<size_t> Read(std::span<char> buffer) override {
    while (true) {
      TRY(WaitFor(socket_.fd(), POLLIN, deadline_));
      const ssize_t got = recv(socket_.fd(), buffer.data(), buffer.size(), 0);
      if (got >= 0) return static_cast<size_t>(got);
      if (errno != EINTR && errno != EAGAIN) return Broken("receive", errno);
    }
  }

  base::Result<std::unique_ptr<Outbound>> Secure(const std::string& host) override {
    auto secured = std::make_unique<Tls>(std::move(socket_), deadline_);
    TRY(secured->Handshake(host));
    return std::unique_ptr<Outbound>(std::move(secured));
  }

 private:
  base::FileHandle socket_;
  int64_t deadline_;
};

}  // namespace

base::Result<std::unique_ptr<Outbound>> Outbound::Connect(const std::string& host, uint16_t port,
                                                          bool tls, const AllowList& allowed,
                                                          int64_t deadline) {
  const std::vector<Address> addresses = TRY(Resolve(host, port));
  base::Status last = base::Unavailable("cannot_resolve", host + " has no address");
  for (const Address& address : addresses) {
    if (!allowed.Allows(address.ip)) {
      last = base::PermissionDenied(
          "address_not_allowed",
          host + " is at " + address.ip.ToString() + ", which http_client.allow does not include");
      continue;
    }
    auto handle = ConnectTo(address, deadline);
    if (!handle.ok()) {
      last = handle.status();
      continue;
    }
    if (!tls)
      return std::unique_ptr<Outbound>(
          std::make_unique<Plain>(std::move(handle).value(), deadline));
    auto secured = std::make_unique<Tls>(std::move(handle).value(), deadline);
    TRY(secured->Handshake(host));
    return std::unique_ptr<Outbound>(std::move(secured));
  }
  return last;
}

}  // namespace slipway::net
