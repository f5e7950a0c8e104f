// SPDX-License-Identifier: Apache-2.0
// beast_echo: the smallest Boost.Beast server that answers a fixed body on one thread; what net's
// server is compared with.
//   beast_echo [BODY_BYTES]     prints "http=PORT", serves until its standard input ends.
#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using Socket = asio::basic_stream_socket<asio::ip::tcp, asio::io_context::executor_type>;

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(Socket socket, size_t body_bytes) : socket_(std::move(socket)) {
    response_.set(http::field::content_type, "application/json");
    response_.body() = std::string(body_bytes, 'e');
    response_.prepare_payload();
  }

  void Read() {
    request_ = {};
    http::async_read(socket_, buffer_, request_, [self = shared_from_this()](auto error, size_t) {
      if (!error) self->Write();
    });
  }

 private:
  void Write() {
    http::async_write(socket_, response_, [self = shared_from_this()](auto error, size_t) {
      if (!error) self->Read();
    });
  }

  Socket socket_;
  boost::beast::flat_buffer buffer_;
  http::request<http::string_body> request_;
  http::response<http::string_body> response_;
};

using Acceptor = asio::basic_socket_acceptor<asio::ip::tcp, asio::io_context::executor_type>;

void Accept(Acceptor& acceptor, size_t body_bytes) {
  acceptor.async_accept([&acceptor, body_bytes](auto error, Socket socket) {
    if (!error) {
      socket.set_option(asio::ip::tcp::no_delay(true));
      std::make_shared<Session>(std::move(socket), body_bytes)->Read();
    }
    Accept(acceptor, body_bytes);
  });
}

}  // namespace

int main(int argc, char** argv) {
  asio::io_context context(1);
  Acceptor acceptor(context, {asio::ip::make_address("127.0.0.1"), 0});
  Accept(acceptor, argc > 1 ? static_cast<size_t>(std::atol(argv[1])) : 512);
  std::printf("http=%d\n", acceptor.local_endpoint().port());
  std::fflush(stdout);
  std::thread server([&] { context.run(); });
  while (std::getchar() != EOF) {
  }
  context.stop();
  server.join();
  return 0;
}
