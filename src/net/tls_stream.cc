// SPDX-License-Identifier: Apache-2.0
// TLS between a socket and an HttpConnection.
#include "net/tls_stream.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <string_view>

namespace slipway::net {

namespace {

constexpr size_t kRecordBytes = 16 * 1024;

}  // namespace

TlsStream::TlsStream(const std::shared_ptr<ssl_ctx_st>& context, int fd)
    : context_(context), ssl_(SSL_new(context.get())), fd_(fd) {
  if (ssl_ == nullptr || SSL_set_fd(ssl_, fd) != 1) {
    broken_ = true;
    return;
  }
  SSL_set_accept_state(ssl_);
}

TlsStream::~TlsStream() { SSL_free(ssl_); }

int64_t TlsStream::Failed(int result) {
  const int error = SSL_get_error(ssl_, result);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
    errno = EAGAIN;
    return -1;
  }
  if (error == SSL_ERROR_ZERO_RETURN) return 0;
  if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST) {
    constexpr std::string_view kPlain =
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 32\r\n"
        "Connection: close\r\n\r\nthis port speaks HTTPS, not HTTP";
    [[maybe_unused]] const ssize_t sent = send(fd_, kPlain.data(), kPlain.size(), MSG_NOSIGNAL);
  }
  ERR_clear_error();
  broken_ = true;
  errno = EPROTO;
  return -1;
}

int64_t TlsStream::Read(char* buffer, size_t size) {
  if (broken_) {
    errno = EPROTO;
    return -1;
  }
  ERR_clear_error();
  const int got = SSL_read(ssl_, buffer, static_cast<int>(std::min<size_t>(size, INT_MAX)));
  return got > 0 ? got : Failed(got);
}

int64_t TlsStream::Write(std::span<const std::string_view> parts) {
  if (broken_) {
    errno = EPROTO;
    return -1;
  }
  std::string_view bytes = parts[0];
  if (parts.size() > 1 && bytes.size() < kRecordBytes) {
    together_ = bytes;
    for (const std::string_view part : parts.subspan(1))
      together_ += part.substr(0, kRecordBytes - together_.size());
    bytes = together_;
  }
  ERR_clear_error();
  const int sent =
      SSL_write(ssl_, bytes.data(), static_cast<int>(std::min<size_t>(bytes.size(), INT_MAX)));
  if (sent > 0) return sent;
  const int64_t failed = Failed(sent);
  if (failed == 0) errno = EPIPE;
  return -1;
}

void TlsStream::ShutDown() {
  if (broken_ || SSL_in_init(ssl_) != 0) return;
  ERR_clear_error();
  SSL_shutdown(ssl_);
  ERR_clear_error();
}

}  // namespace slipway::net
