// SPDX-License-Identifier: Apache-2.0
// HttpParser: bytes -> HttpRequest, straight from Beast's parser callbacks, without a Beast message
// in between.
#include "net/http_parser.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

namespace slipway::net {

namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;

std::string_view View(beast::string_view text) { return {text.data(), text.size()}; }

bool SameWord(std::string_view a, std::string_view b) {
  return beast::iequals({a.data(), a.size()}, {b.data(), b.size()});
}

class Sink final : public http::basic_parser<true> {
 public:
  Sink(HttpRequest* request, size_t most_headers)
      : request_(request), most_headers_(most_headers) {}
  void set_body(std::string* body) { body_ = body; }
  int version() const { return version_; }  // 10 or 11
  int hosts() const { return hosts_; }
  bool odd_length() const { return odd_length_; }
  bool odd_coding() const { return odd_coding_; }
  bool expects_continue() const { return expects_continue_; }
  bool expects_other() const { return expects_other_; }
  bool too_many() const { return too_many_; }
  bool has_coding() const { return has_coding_; }

 private:
  void on_request_impl(http::verb, beast::string_view method, beast::string_view target,
                       int version, error_code&) override {
    version_ = version;
    request_->method = View(method);
    request_->target = View(target);
  }
  void on_response_impl(int, beast::string_view, int, error_code&) override {}
  void on_field_impl(http::field field, beast::string_view name, beast::string_view value,
                     error_code&) override {
    if (is_header_done()) return;  // a trailer
    if (field == http::field::host) ++hosts_;
    if (field == http::field::content_length) {
      ++lengths_;
      odd_length_ = lengths_ > 1 || value.find(',') != beast::string_view::npos;
    }
    if (field == http::field::transfer_encoding) {
      has_coding_ = true;
      odd_coding_ = odd_coding_ || !SameWord(View(value), "chunked");
    }
    if (field == http::field::expect) {
      expects_continue_ = SameWord(View(value), "100-continue");
      expects_other_ = !expects_continue_;
    }
    std::vector<Header>& headers = request_->headers;
    too_many_ = too_many_ || headers.size() >= most_headers_;
    if (too_many_) return;
    if (headers.empty()) headers.reserve(kUsualHeaders);
    headers.push_back({std::string(View(name)), std::string(View(value))});
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(boost::optional<std::uint64_t> const&, error_code&) override {}
  std::size_t on_body_impl(beast::string_view text, error_code&) override {
    body_->append(text.data(), text.size());
    return text.size();
  }
  void on_chunk_header_impl(std::uint64_t, beast::string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view text, error_code&) override {
    body_->append(text.data(), text.size());
    return text.size();
  }
  void on_finish_impl(error_code&) override {}

  static constexpr size_t kUsualHeaders = 12;

  HttpRequest* request_;
  size_t most_headers_;
  std::string* body_ = nullptr;
  int version_ = 11;
  int hosts_ = 0;
  int lengths_ = 0;
  bool odd_length_ = false;
  bool odd_coding_ = false;
  bool has_coding_ = false;
  bool expects_continue_ = false;
  bool expects_other_ = false;
  bool too_many_ = false;
};

base::Status BadRequest(std::string message) {
  return base::InvalidArgument("", std::move(message), "bad_request");
}

base::Status TargetTooLong() {
  return {base::Code::kInvalidArgument, "target_too_long",
          "the request target is longer than the server takes"};
}

base::Status FromParser(const error_code& error, std::string_view bytes) {
  if (error == http::error::header_limit) {
    // All of it was the request line.
    if (bytes.find("\r\n") == std::string_view::npos) return TargetTooLong();
    return base::ResourceExhausted("headers_too_large",
                                   "the request line and headers are larger than the server takes");
  }
  return BadRequest("not a valid HTTP/1.1 request: " + error.message());
}

// "http://host/path" (the form that proxies are sent) -> "/path"; anything else as it is.
std::string_view OriginForm(std::string_view target) {
  if (!target.starts_with("http://") && !target.starts_with("https://")) return target;
  const size_t slash = target.find('/', target.find("//") + 2);
  return slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
}

}  // namespace

struct HttpParser::State {
  Limits limits;
  HttpRequest* request = nullptr;
  std::optional<Sink> sink;
  std::string_view raw_path;

  base::Status CheckHead() {
    if (request->target.size() > static_cast<size_t>(limits.target_bytes)) return TargetTooLong();
    if (sink->too_many()) {
      return base::ResourceExhausted(
          "headers_too_large",
          "a request has at most " + std::to_string(limits.headers) + " headers here");
    }
    if (sink->expects_other()) {
      return {base::Code::kFailedPrecondition, "expectation_failed",
              "the only Expect that is met is 100-continue", "Expect"};
    }
    if (sink->odd_length()) return BadRequest("a request has one Content-Length");
    if (sink->has_coding() && sink->version() < 11)
      return BadRequest("HTTP/1.0 has no Transfer-Encoding");
    if (sink->odd_coding()) {
      return {base::Code::kUnimplemented, "unsupported_transfer_encoding",
              "the only Transfer-Encoding taken is chunked", "Transfer-Encoding"};
    }
    if (sink->version() >= 11 && sink->hosts() != 1)
      return BadRequest("an HTTP/1.1 request has one Host header");
    const std::string_view target = OriginForm(request->target);
    if (!target.starts_with('/') && !(target == "*" && request->method == "OPTIONS"))
      return BadRequest("the request target must begin with /");
    const size_t mark = target.find('?');
    raw_path = target.substr(0, mark);
    request->path = PercentDecode(raw_path, false);
    if (request->path.find('\0') != std::string::npos)
      return BadRequest("the request target has a NUL in it");
    if (mark != std::string_view::npos) request->query = ParseQuery(target.substr(mark + 1));
    return base::Status::Ok();
  }
};

HttpParser::HttpParser(const Limits& limits)
    : state_(std::make_unique<State>(State{limits, nullptr, std::nullopt, {}})) {}
HttpParser::~HttpParser() = default;

void HttpParser::Reset(HttpRequest* request) {
  state_->request = request;
  state_->sink.emplace(request, static_cast<size_t>(state_->limits.headers));
  state_->sink->header_limit(static_cast<uint32_t>(state_->limits.header_bytes));
  state_->sink->body_limit(boost::none);  // the connection counts, by route
}

base::Result<size_t> HttpParser::ParseHead(std::string_view bytes) {
  error_code error;
  const size_t used =
      state_->sink->put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
  if (error && error != http::error::need_more)
    return FromParser(error, bytes.substr(0, static_cast<size_t>(state_->limits.header_bytes)));
  if (head_done()) TRY(state_->CheckHead());
  return used;
}

base::Result<size_t> HttpParser::ParseBody(std::string_view bytes, std::string& body) {
  state_->sink->set_body(&body);
  size_t used = 0;
  while (used < bytes.size() && !done()) {
    error_code error;
    used += state_->sink->put(boost::asio::const_buffer(bytes.data() + used, bytes.size() - used),
                              error);
    if (error == http::error::need_more) break;
    if (error) return FromParser(error, "\r\n");
  }
  return used;
}

bool HttpParser::head_done() const { return state_->sink->is_header_done(); }
bool HttpParser::done() const { return state_->sink->is_done(); }
std::string_view HttpParser::raw_path() const { return state_->raw_path; }
bool HttpParser::keep_alive() const { return state_->sink->keep_alive(); }
bool HttpParser::http_1_0() const { return state_->sink->version() < 11; }
bool HttpParser::expects_continue() const { return state_->sink->expects_continue(); }

std::optional<uint64_t> HttpParser::content_length() const {
  const auto length = state_->sink->content_length();
  return length ? std::optional<uint64_t>(*length) : std::nullopt;
}

}  // namespace slipway::net
