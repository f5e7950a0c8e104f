// SPDX-License-Identifier: Apache-2.0
// HttpConnection, the middle of a request's walk: from a parsed head to the route's handler, and
// from its answer to bytes.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "net/http_connection.h"
#include "net/http_head.h"

namespace slipway::net {

namespace {

constexpr size_t kMostKeptPath = 256;           // of a route that is found again
constexpr size_t kMostReservedBytes = 4 << 20;  // of a body that has only been announced
// Of a body that is copied behind its head: one plain write costs less than one of two parts.
constexpr size_t kMostJoinedBytes = 4096;
constexpr size_t kSourcePieceBytes = 64 * 1024;
// Of an answer that is compressed on the I/O thread: well under a millisecond.
constexpr size_t kMostPackedInline = 64 * 1024;
constexpr int kDeadlinePassed = 504;
constexpr const char* kEveryMethod = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

// Runs a response's source on the calling pool thread until it ends, fails or the client is gone.
void Pump(BodySource& source, DownloadPipe& pipe) {
  while (true) {
    std::string piece(kSourcePieceBytes, '\0');
    const auto got = source.Read(piece);
    if (!got.ok() || *got == 0) {
      pipe.Finish(!got.ok());
      return;
    }
    piece.resize(*got);
    if (!pipe.PushWait(std::move(piece))) return;
  }
}

void PackBody(Encoding encoding, HttpResponse& response) {
  auto packed = Pack(encoding, response.body);
  if (!packed) return;
  response.body = std::move(*packed);
  response.SetHeader("Content-Encoding", std::string(EncodingName(encoding)));
}

base::Status TooFarBehind(int64_t waited_ns) {
  return base::ResourceExhausted("overloaded",
                                 "the request waited " + std::to_string(waited_ns / 1'000'000) +
                                     " ms before it was read (http.max_backlog); retry in 1 s");
}

base::Status NoAnswer() {
  return base::Internal("no_answer", "the handler ended without an answer");
}

}  // namespace

// The right to answer one request, once, from any thread.
class HttpConnection::Ticket final : public Respond::Target {
 public:
  explicit Ticket(std::shared_ptr<HttpConnection> connection)
      : connection_(std::move(connection)) {}
  ~Ticket() override {
    if (!used_.exchange(true)) Post(connection_, ErrorResponse(NoAnswer()), nullptr);
  }
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;

  void Answer(HttpResponse response) override { AnswerFrom(std::move(response), nullptr); }
  // `pipe`: where the body comes from.
  void AnswerFrom(HttpResponse response, std::shared_ptr<DownloadPipe> pipe) {
    if (used_.exchange(true)) return;
    HttpConnection& connection = *connection_;
    if (connection.worker_->loop.InLoop() && connection.dispatching_ && !pipe) {
      connection.inline_answer_ = std::move(response);
    } else {
      Post(connection_, std::move(response), std::move(pipe));
    }
  }

  const std::shared_ptr<HttpConnection>& connection() const { return connection_; }

 private:
  // An answer on its way to the I/O thread. When nobody takes it (the client or the loop is gone),
  // its source must not wait.
  struct Delivery {
    Delivery(HttpResponse made, std::shared_ptr<DownloadPipe> from)
        : response(std::move(made)), pipe(std::move(from)) {}
    ~Delivery() {
      if (pipe) pipe->MarkGone();
    }
    Delivery(const Delivery&) = delete;
    Delivery& operator=(const Delivery&) = delete;
    HttpResponse response;
    std::shared_ptr<DownloadPipe> pipe;
  };

  static void Post(const std::shared_ptr<HttpConnection>& connection, HttpResponse response,
                   std::shared_ptr<DownloadPipe> pipe) {
    auto delivery = std::make_shared<Delivery>(std::move(response), std::move(pipe));
    connection->worker_->loop.Post([connection, delivery] {
      if (connection->closed_) return;
      connection->Answer(std::move(delivery->response), std::exchange(delivery->pipe, nullptr));
      connection->Advance();
    });
  }

  std::shared_ptr<HttpConnection> connection_;
  std::atomic<bool> used_{false};
};

// A request on its way through the blocking pool.
struct HttpConnection::PoolCall {
  HttpRequest request;
  const BlockingHandler& handler;
  std::shared_ptr<Ticket> ticket;

  void Run() {
    HttpResponse response = handler(request);
    request.stream.reset();
    const HttpConnection& connection = *ticket->connection();
    if (!response.source || request.method == "HEAD") {
      if (connection.WantsPacking(response)) PackBody(connection.encoding_, response);
      ticket->Answer(std::move(response));
      return;
    }
    const std::unique_ptr<BodySource> source = std::move(response.source);
    const std::shared_ptr<DownloadPipe> pipe = ticket->connection()->MakeDownload();
    ticket->AnswerFrom(std::move(response), pipe);
    Pump(*source, *pipe);
  }
};

void HttpConnection::BeginRequest() {
  request_.remote_address = remote_address_;
  request_.gone = gone_;
  head_only_ = request_.method == "HEAD";
  const int64_t most_requests = worker_->shared->settings.max_connection_requests;
  close_after_ = !parser_.keep_alive() || (++requests_ >= most_requests && most_requests > 0);
  NoteWishes();
  body_bytes_ = 0;
  packed_.clear();
  input_ = parser_.done() ? Input::kDone : Input::kBody;
  const Router::Match* match = FindRoute();
  if (match == nullptr) return;
  request_.params.reserve(match->values.size());
  for (size_t i = 0; i < match->values.size(); ++i) {
    request_.params.emplace_back(route_->names[i], match->values[i]);
  }
  const base::Status status = AdmitBody();
  if (!status.ok()) return Refuse(status);
  if (parser_.expects_continue() && !parser_.done() && begin_ == end_) SendContinue();
  if (closed_) return;
  input_deadline_ = parser_.done() ? 0 : After(worker_->shared->settings.body_timeout);
  if (route_->kind == Router::Kind::kStreaming) {
    BeginUpload();
  } else if (parser_.done()) {
    Dispatch();
  }
}

// Most clients ask for one path again and again. Null: there is none, which was answered.
const Router::Match* HttpConnection::FindRoute() {
  const std::string_view path = parser_.raw_path();
  if (route_ == nullptr || route_path_ != path || route_method_ != request_.method) {
    route_match_ = worker_->shared->routes.Find(request_.method, path);
    route_ = route_match_.route;
    if (route_ == nullptr) {
      AnswerUnrouted(route_match_);
      return nullptr;
    }
    route_method_ = request_.method;
    route_path_ = path.size() <= kMostKeptPath ? path : std::string_view();
  }
  return &route_match_;
}

// What the answer needs to know of the request, which the handler takes away.
void HttpConnection::NoteWishes() {
  const HttpShared& shared = *worker_->shared;
  encoding_ = shared.settings.compression ? ChooseEncoding(request_.GetHeader("Accept-Encoding"))
                                          : Encoding::kIdentity;
  if (shared.cors.enabled())
    allowed_origin_ = shared.cors.AllowedOrigin(request_.GetHeader("Origin"));
}

// Before any of the body is read: whether its announced size and its encoding can be taken.
base::Status HttpConnection::AdmitBody() {
  decoder_.reset();
  if (parser_.done()) return base::Status::Ok();
  const HttpServerSettings& settings = worker_->shared->settings;
  const bool streaming = route_->kind == Router::Kind::kStreaming;
  const int64_t most = streaming ? settings.max_stream_bytes : settings.max_body_bytes;
  decoder_ = TRY(ContentDecoder::Make(request_.GetHeader("Content-Encoding")));
  const uint64_t announced = parser_.content_length().value_or(0);
  if (announced > static_cast<uint64_t>(most)) return BodyTooLarge(most);
  if (!streaming) request_.body.reserve(std::min<size_t>(announced, kMostReservedBytes));
  return base::Status::Ok();
}

void HttpConnection::BeginUpload() {
  upload_ = std::make_shared<UploadPipe>(Waker());
  request_.stream = upload_->MakeReader();
  if (decoder_) {
    request_.stream = DecodedReader(std::move(request_.stream), std::move(decoder_),
                                    worker_->shared->settings.max_stream_bytes);
  }
  if (parser_.done()) {
    upload_->End();
  } else {
    input_ = Input::kPipe;
  }
  Dispatch();
}

void HttpConnection::AnswerUnrouted(const Router::Match& match) {
  const bool whole_server = request_.target == "*";  // of OPTIONS only
  if (request_.method == "OPTIONS" && (whole_server || !match.allow.empty())) {
    HttpResponse response;
    response.status = 204;
    response.SetHeader("Allow", whole_server ? kEveryMethod : match.allow);
    if (!allowed_origin_.empty() && Cors::IsPreflight(request_))
      worker_->shared->cors.AnswerPreflight(response);
    return BeginResponse(std::move(response), nullptr);
  }
  const bool known = !match.allow.empty();
  const base::Status status =
      known ? base::Status(base::Code::kUnimplemented, "method_not_allowed",
                           request_.method + " is not possible here; possible: " + match.allow)
            : base::NotFound("no_such_path", "there is nothing at " + request_.path);
  const Router::State::NotFound* own = worker_->shared->routes.FindNotFound(request_.path);
  HttpResponse response = own != nullptr ? own->handler(request_) : ErrorResponse(status);
  if (known) {
    response.status = 405;
    response.SetHeader("Allow", match.allow);
  }
  BeginResponse(std::move(response), nullptr);
}

void HttpConnection::SendContinue() {
  // A client that waits for this has an empty socket buffer, so the few bytes always fit; if not,
  // it is not worth keeping.
  constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  if (parser_.http_1_0()) return;
  if (SendParts({&kContinue, 1}) != static_cast<int64_t>(kContinue.size())) Close();
}

void HttpConnection::Dispatch() {
  output_ = Output::kWaiting;
  if (input_ == Input::kDone) input_deadline_ = 0;
  const int64_t waited_ns = std::exchange(waited_ns_, 0);
  request_.waited_ns = waited_ns;
  const int64_t most_ns = worker_->shared->settings.max_backlog.micros * 1000;
  // Whatever else it costs to answer it: those behind it would be later still.
  if (most_ns > 0 && waited_ns > most_ns && request_.method == "POST" &&
      route_->kind == Router::Kind::kAsync) {
    worker_->shared->shed.Add();
    worker_->loop.Missed();
    return Answer(ErrorResponse(TooFarBehind(waited_ns)), nullptr);
  }
  if (route_->known) {
    if (auto answer = route_->known(request_)) return Answer(std::move(*answer), nullptr);
  }
  if (route_->kind != Router::Kind::kAsync) return DispatchToPool();
  dispatching_ = true;
  route_->async(std::move(request_), Respond(std::make_shared<Ticket>(shared_from_this())));
  dispatching_ = false;
  if (!inline_answer_) return;
  HttpResponse answer = *std::exchange(inline_answer_, std::nullopt);
  if (waited_ns > 0 && answer.status == kDeadlinePassed) worker_->loop.Missed();
  Answer(std::move(answer), nullptr);
}

void HttpConnection::DispatchToPool() {
  auto ticket = std::make_shared<Ticket>(shared_from_this());
  auto call = std::make_shared<PoolCall>(PoolCall{std::move(request_), route_->blocking, ticket});
  const base::Status status = worker_->shared->blocking.Submit([call] { call->Run(); });
  if (!status.ok()) ticket->Answer(ErrorResponse(status));
}

// Whether the body is to be packed for this client. Says in Vary that it could have been. Any
// thread, while the request is being answered.
bool HttpConnection::WantsPacking(HttpResponse& response) const {
  const HttpServerSettings& settings = worker_->shared->settings;
  if (!settings.compression || response.push || response.source ||
      response.body.size() < static_cast<size_t>(settings.compression_min_bytes))
    return false;
  std::string_view type;
  for (const Header& header : response.headers) {
    if (header.name == "Content-Type") type = header.value;
    const bool packed = header.name == "Content-Encoding";
    const bool judged =
        header.name == "Vary" && header.value.find("Accept-Encoding") != std::string::npos;
    if (packed || judged) return false;
  }
  if (!IsWorthPacking(type) || response.status == 206) return false;
  AddVary(response, "Accept-Encoding");
  return encoding_ != Encoding::kIdentity;
}

// Packs what is worth it: small bodies here, large ones on a pool thread.
void HttpConnection::Answer(HttpResponse response, std::shared_ptr<DownloadPipe> pipe) {
  if (pipe || !WantsPacking(response)) return BeginResponse(std::move(response), std::move(pipe));
  if (response.body.size() <= kMostPackedInline) {
    PackBody(encoding_, response);
    return BeginResponse(std::move(response), nullptr);
  }
  const auto waiting = std::make_shared<HttpResponse>(std::move(response));
  const base::Status status =
      worker_->shared->blocking.Submit([self = shared_from_this(), waiting, how = encoding_] {
        PackBody(how, *waiting);
        self->worker_->loop.Post([self, waiting] {
          if (self->closed_) return;
          self->BeginResponse(std::move(*waiting), nullptr);
          self->Advance();
        });
      });
  if (!status.ok()) BeginResponse(std::move(*waiting), nullptr);
}

std::function<void()> HttpConnection::Waker() {
  return [weak = weak_from_this(), worker = worker_] {
    worker->loop.Post([weak] {
      if (const auto self = weak.lock(); self && !self->closed_) self->Advance();
    });
  };
}

std::shared_ptr<DownloadPipe> HttpConnection::MakeDownload() {
  return std::make_shared<DownloadPipe>(Waker());
}

void HttpConnection::BeginResponse(HttpResponse response, std::shared_ptr<DownloadPipe> pipe) {
  response_ = std::move(response);
  if (worker_->shared->cors.enabled()) worker_->shared->cors.Decorate(response_, allowed_origin_);
  download_ = std::move(pipe);
  // What was not read of the request cannot be told from the next one.
  close_after_ = close_after_ || input_ != Input::kDone || worker_->shared->draining.load();
  if (input_ == Input::kBody) input_ = Input::kStopped;
  StartStream();
  const bool no_body = response_.status == 204 || response_.status == 304 || response_.status < 200;
  stream_left_ = download_ ? response_.source_length : std::nullopt;
  head_.clear();
  AppendHead(head_, response_, ChooseFraming(no_body), worker_->date);
  if (head_only_ || no_body) response_.body.clear();
  if (response_.body.size() <= kMostJoinedBytes) {
    head_ += response_.body;
    response_.body.clear();
  }
  first_chunk_ = true;
  sent_ = 0;
  output_ = Output::kSending;
  hold_ = !download_ && response_.body.empty();
  if (hold_) worker_->held.push_back(this);
  output_deadline_ = After(worker_->shared->settings.body_timeout);
  const auto family = static_cast<size_t>(std::clamp(response_.status / 100, 1, 5) - 1);
  worker_->shared->answers[family]->Add();
}

Framing HttpConnection::ChooseFraming(bool no_body) {
  const bool streamed = download_ || response_.push || response_.source;  // the latter two: a HEAD
  const bool unknown_length = streamed && !response_.source_length;
  chunked_ = unknown_length && !parser_.http_1_0() && !head_only_;
  // HTTP/1.0 has no chunks: the end of the body is the end of the connection.
  if (unknown_length && !chunked_ && !head_only_) close_after_ = true;
  Framing framing;
  framing.chunked = chunked_;
  if (streamed) {
    framing.length = response_.source_length;
  } else if (!no_body) {
    framing.length = static_cast<int64_t>(response_.body.size());
  }
  framing.close = close_after_;
  framing.keep_alive_1_0 = parser_.http_1_0();
  return framing;
}

// A pushed response gets its sink; a source that an I/O-thread handler gave gets a pool thread.
void HttpConnection::StartStream() {
  if (head_only_) return;
  if (response_.push) {
    download_ = MakeDownload();
    if (worker_->shared->draining.load()) download_->Close();
    response_.push(MakeSink(download_));
    return;
  }
  if (!response_.source) return;
  download_ = MakeDownload();
  const std::shared_ptr<BodySource> source = std::move(response_.source);
  const base::Status status =
      worker_->shared->blocking.Submit([source, pipe = download_] { Pump(*source, *pipe); });
  if (status.ok()) return;
  download_.reset();
  response_ = ErrorResponse(status);
}

// The rest of the request is not read. A handler that is already reading it learns of it from its
// reader.
void HttpConnection::Refuse(const base::Status& status) {
  input_ = Input::kStopped;
  input_deadline_ = 0;
  close_after_ = true;
  if (output_ == Output::kNone) {
    BeginResponse(ErrorResponse(status), nullptr);
  } else if (upload_) {
    upload_->Fail(status);
  }
}

}  // namespace slipway::net
