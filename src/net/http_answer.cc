// SPDX-License-Identifier: Apache-2.0
// HttpAnswer: what a webhook's receiver answered, read by Beast's response parser.
#include "net/http_answer.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

namespace slipway::net {

namespace http = boost::beast::http;

namespace {

constexpr uint32_t kMostHeaderBytes = 64 * 1024;
constexpr int kMostInterimAnswers = 16;  // 100 Continue, 103 Early Hints

}  // namespace

struct HttpAnswer::State {
  bool to_head = false;
  int64_t most_body_bytes = 0;
  int interim = 0;
  std::string unread;
  std::unique_ptr<http::response_parser<http::string_body>> parser;

  void Reset() {
    parser = std::make_unique<http::response_parser<http::string_body>>();
    parser->header_limit(kMostHeaderBytes);
    parser->body_limit(static_cast<uint64_t>(most_body_bytes));
    parser->skip(to_head);
    parser->eager(true);
  }

  static base::Status Failed(const boost::system::error_code& error) {
    if (error == http::error::body_limit) {
      return base::ResourceExhausted("response_too_large",
                                     "the response is larger than http_client.max_response_bytes");
    }
    return base::Unavailable("bad_response", "not a valid HTTP response: " + error.message());
  }
};

HttpAnswer::HttpAnswer(bool to_head, int64_t most_body_bytes) : state_(std::make_unique<State>()) {
  state_->to_head = to_head;
  state_->most_body_bytes = most_body_bytes;
  state_->Reset();
}
HttpAnswer::~HttpAnswer() = default;

base::Status HttpAnswer::Take(std::string_view bytes) {
  State& state = *state_;
  state.unread += bytes;
  while (!state.unread.empty() && !done()) {
    boost::system::error_code error;
    const size_t used = state.parser->put(boost::asio::buffer(state.unread), error);
    state.unread.erase(0, used);
    if (error == http::error::need_more) break;
    if (error) return State::Failed(error);
    if (state.parser->is_done() && state.parser->get().result_int() / 100 == 1) {
      if (++state.interim > kMostInterimAnswers)
        return base::Unavailable("bad_response", "no final answer");
      state.Reset();
    }
  }
  return base::Status::Ok();
}

base::Status HttpAnswer::End() {
  boost::system::error_code error;
  if (state_->parser->got_some()) state_->parser->put_eof(error);
  if (error || !done())
    return base::Unavailable("bad_response", "the server closed before its response was whole");
  return base::Status::Ok();
}

bool HttpAnswer::done() const { return state_->parser->is_done(); }

HttpResponse HttpAnswer::TakeResponse() {
  auto message = state_->parser->release();
  HttpResponse response;
  response.status = static_cast<int>(message.result_int());
  for (const auto& field : message) {
    const auto name = field.name_string();
    const auto value = field.value();
    response.headers.push_back(
        {std::string(name.data(), name.size()), std::string(value.data(), value.size())});
  }
  response.body = std::move(message.body());
  return response;
}

}  // namespace slipway::net
