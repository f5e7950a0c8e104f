// SPDX-License-Identifier: Apache-2.0
// HTTP as the protocols see it: request, response, routes. How bytes travel is net/http_server.h's
// business.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/status.h"

namespace slipway::net {

struct Header {
  std::string name;
  std::string value;
};

// The body of a streaming route, read on a pool thread as it arrives.
class BodyReader {
 public:
  virtual ~BodyReader() = default;
  // Fills at most buffer.size() bytes and says how many; 0 at the end. Blocks; fails when the
  // client is gone or too slow.
  virtual base::Result<size_t> Read(std::span<char> buffer) = 0;
};

// A response body made as it is sent, on a pool thread.
class BodySource {
 public:
  virtual ~BodySource() = default;
  virtual base::Result<size_t> Read(std::span<char> buffer) = 0;  // 0 at the end
};

// Where a response that is pushed piece by piece goes: an event stream. Thread-safe; a dropped sink
// ends the response.
class EventSink {
 public:
  virtual ~EventSink() = default;
  // Queues one piece of any size, sent as it is; never blocks. False when the client is gone or has
  // let 1 MiB pile up (it is cut off then).
  virtual bool Send(std::string piece) = 0;
  // Ends the response. Idempotent.
  virtual void Close() = 0;
};

struct HttpRequest {
  std::string method;                                       // upper case
  std::string target;                                       // as sent: "/a%20b?x=1"
  std::string path;                                         // decoded, without query: "/a b"
  std::vector<std::pair<std::string, std::string>> query;   // decoded, in order
  std::vector<std::pair<std::string, std::string>> params;  // from the route's {names}, decoded
  std::vector<Header> headers;
  std::string body;  // whole, for buffered routes (gzip/zstd already undone by Content-Encoding)
  std::unique_ptr<BodyReader> stream;  // set for streaming routes only
  std::string remote_address;          // "127.0.0.1:50412"
  // How long it had lain with the kernel before it was read; 0: not long enough to count.
  int64_t waited_ns = 0;
  // Set once the client has closed its side: the answer is most likely for nobody, and work that
  // has not begun may be left out (answer something all the same). Never null in a handler.
  std::shared_ptr<const std::atomic<bool>> gone;

  // First header of that name, any case; empty when absent.
  std::string_view GetHeader(std::string_view name) const;
  std::optional<std::string> GetQuery(std::string_view name) const;
  // The value of a {name} in the route; CHECKs that the route has it.
  const std::string& GetParam(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::vector<Header> headers;  // Content-Length, Date and Connection are the server's
  std::string body;
  std::unique_ptr<BodySource>
      source;  // instead of body; read on the blocking pool, one thread as long as it lasts
  std::optional<int64_t> source_length;  // absent: chunked
  // Instead of body and source: called once on an I/O thread (must not block) with where to send
  // the pieces. Ended by Close(), by the client, or by the server's drain. Set Content-Type and
  // Cache-Control as for any other response.
  std::function<void(std::shared_ptr<EventSink>)> push;

  static HttpResponse Json(int status, std::string body);
  static HttpResponse Text(int status, std::string body);
  void SetHeader(std::string_view name, std::string value);  // replaces
};

// Called exactly once, from any thread (later calls do nothing; when the last copy goes without a
// call, the answer is 500). Copies are cheap.
class Respond {
 public:
  class Target {
   public:
    virtual ~Target() = default;
    virtual void Answer(HttpResponse response) = 0;
  };
  Respond() = default;  // to be assigned to
  explicit Respond(std::shared_ptr<Target> target) : target_(std::move(target)) {}
  template <typename Call>
    requires std::is_invocable_v<Call&, HttpResponse> &&
             (!std::is_same_v<std::remove_cvref_t<Call>, Respond>)
  Respond(Call call)  // NOLINT(google-explicit-constructor): as std::function
      : target_(std::make_shared<Calling<Call>>(std::move(call))) {}
  void operator()(HttpResponse response) const { target_->Answer(std::move(response)); }

 private:
  template <typename Call>
  class Calling final : public Target {
   public:
    explicit Calling(Call call) : call_(std::move(call)) {}
    void Answer(HttpResponse response) override { call_(std::move(response)); }

   private:
    Call call_;
  };
  std::shared_ptr<Target> target_;
};
// Runs on an I/O thread: must not block.
using AsyncHandler = std::function<void(HttpRequest request, Respond respond)>;
// Runs on the blocking pool.
using BlockingHandler = std::function<HttpResponse(HttpRequest& request)>;
// What is known without asking anybody, before the pool is asked; runs on an I/O thread: must not
// block.
using KnownAnswer = std::function<std::optional<HttpResponse>(const HttpRequest& request)>;

// How a failure looks where no protocol claims the path (404, 405, 413...):
// {"error":{"code","reason","message","field"}}.
HttpResponse ErrorResponse(const base::Status& status);
int HttpStatusOf(base::Code code);

// Routes: "/v2/models/{name}/infer"; "/v1/models/{name}:predict" (a name may have a literal
// ending); a last segment
// "{path...}" takes the rest, slashes and all. Literal segments win over names; HEAD falls back to
// GET; a known path with another method is 405 with Allow. Filled before the server starts, then
// immutable.
class Router {
 public:
  Router();
  ~Router();
  void Add(std::string_view method, std::string_view pattern, AsyncHandler handler);
  void AddBlocking(std::string_view method, std::string_view pattern, BlockingHandler handler,
                   KnownAnswer known = nullptr);
  // The handler reads request.stream itself; no body limit but the server's streaming limit
  // applies.
  void AddStreaming(std::string_view method, std::string_view pattern, BlockingHandler handler);
  // Answers 404/405 below `prefix` (the longest that fits) in a protocol's own words. For a known
  // path with another method the server sets the status to 405 and adds Allow.
  void OnNotFound(std::string_view prefix, std::function<HttpResponse(const HttpRequest&)> handler);
  // "GET /v2/health/live" ... for docs and the authorisation test.
  std::vector<std::string> List() const;

  enum class Kind { kAsync, kBlocking, kStreaming };
  struct Match;  // net-internal
  struct State;
  const State& state() const { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

std::string PercentDecode(std::string_view text, bool plus_is_space);
std::string PercentEncode(std::string_view text);  // everything but unreserved characters
std::vector<std::pair<std::string, std::string>> ParseQuery(std::string_view query);

}  // namespace slipway::net
