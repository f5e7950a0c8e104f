// SPDX-License-Identifier: Apache-2.0
// HttpConnection: one client's socket, from its first byte to its last. Private to net.
// http_connection.cc: bytes in and out; http_exchange.cc: from a whole request to the handler and
// back.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/metrics.h"
#include "net/content_decoder.h"
#include "net/content_encoder.h"
#include "net/event_loop.h"
#include "net/http_cors.h"
#include "net/http_head.h"
#include "net/http_parser.h"
#include "net/http_router.h"
#include "net/http_server.h"
#include "net/http_streams.h"
#include "net/tls_files.h"
#include "net/tls_stream.h"

namespace slipway::net {

class HttpConnection;

// What all connections of a server share.
struct HttpShared {
  HttpServerSettings settings;
  const Router::State& routes;
  base::ThreadPool& blocking;
  std::array<base::Counter*, 5> answers;  // 1xx ... 5xx
  base::Counter& timeouts;
  base::Counter& refused_connections;
  base::Counter& shed;
  Cors cors{};
  std::unique_ptr<TlsFiles> tls{};  // set when connections speak TLS
  std::atomic<bool> draining{false};
  std::atomic<int64_t> open{0};  // connections
  std::mutex mutex{};
  std::condition_variable all_closed{};  // open became 0
};

// One I/O thread's loop and connections; all but `loop.Post` belongs to that thread. A round goes
// in steps: all sockets that have something are read, their requests handled, the answers sent. One
// step done for all keeps its code in the processor's cache, and a waiting client is woken once.
// While the loop is behind, a request is handled as soon as it is read.
struct HttpWorker {
  void TakeTurn(HttpConnection& connection);
  void EndRound();
  void SendHeld();

  std::shared_ptr<HttpShared> shared;
  EventLoop loop;
  std::unordered_set<std::shared_ptr<HttpConnection>> connections;
  std::vector<HttpConnection*> ready;  // told of an edge in this round, and read
  std::vector<HttpConnection*> held;   // with an answer that is sent at the round's end
  int64_t held_since_ns = 0;           // 0: not asked
  std::string date;
  int64_t now = 0;  // MonotonicNanos at the last tick: what deadlines are set and judged by
};

// Belongs to its worker's thread. A ticket (the right to answer one request) may outlive it in any
// thread.
class HttpConnection final : public EventLoop::Watcher,
                             public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(std::shared_ptr<HttpWorker> worker, base::FileHandle socket,
                 std::string remote_address);
  ~HttpConnection() override;
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  void Start();
  void OnReady(const Ready& ready) override;
  void Note(const Ready& ready);  // closes when nobody is there any more
  void Advance();   // as far as it goes without the socket, the handler, a pipe or the round's end
  void SendHeld();  // the answer, and no further
  bool closed() const { return closed_; }
  void OnTick();
  void OnDrain();
  void Close();
  std::function<void()> Waker();

 private:
  class Ticket;
  struct PoolCall;
  enum class Input {
    kHead,
    kBody,     // into request_.body
    kPipe,     // into upload_, while the handler runs
    kDone,     // the request was read whole
    kStopped,  // the rest of the request is not wanted: the connection ends after the answer
    kLinger,   // the answer is out; what still comes is thrown away, so that closing does not reset
               // what the client reads
  };
  enum class Output { kNone, kWaiting, kSending, kStreaming };

  // http_connection.cc
  bool StepInput();
  bool StepHead();
  bool StepBody();
  bool StepPipe();
  bool StepLinger();
  bool Fill(size_t least);
  bool MakeRoom(size_t least);
  bool StepOutput();
  bool Flush();
  bool NextPiece();
  int64_t Receive(char* buffer, size_t size);
  int64_t SendParts(std::span<const std::string_view> parts);
  void FinishResponse();
  void OnInputTimeout();
  base::Status TakeBody(size_t& used);
  int64_t After(const base::Duration& timeout) const {
    return worker_->now + timeout.micros * 1000;
  }

  // http_exchange.cc
  void BeginRequest();
  const Router::Match* FindRoute();
  void NoteWishes();
  base::Status AdmitBody();
  void BeginUpload();
  void AnswerUnrouted(const Router::Match& match);
  void SendContinue();
  void Dispatch();
  void DispatchToPool();
  bool WantsPacking(HttpResponse& response) const;
  void Answer(HttpResponse response, std::shared_ptr<DownloadPipe> pipe);
  void BeginResponse(HttpResponse response, std::shared_ptr<DownloadPipe> pipe);
  void StartStream();
  Framing ChooseFraming(bool no_body);
  void Refuse(const base::Status& status);
  std::shared_ptr<DownloadPipe> MakeDownload();

  std::shared_ptr<HttpWorker> worker_;
  base::FileHandle socket_;
  std::string remote_address_;
  std::unique_ptr<TlsStream> tls_;
  bool closed_ = false;
  bool readable_ = false;
  bool writable_ = true;
  bool half_closed_ = false;

  std::vector<char> buffer_;  // [begin_, end_) was read and is not yet parsed
  size_t begin_ = 0;
  size_t end_ = 0;
  Input input_ = Input::kHead;
  bool head_started_ = false;
  HttpParser parser_;
  HttpRequest request_;
  const Route* route_ = nullptr;
  Router::Match route_match_;
  std::string route_method_, route_path_;  // that route_match_ was found by
  int64_t requests_ = 0;
  int64_t waited_ns_ = 0;                    // as the loop said when it told of the socket
  Encoding encoding_ = Encoding::kIdentity;  // that the client takes
  std::string allowed_origin_;
  const std::shared_ptr<std::atomic<bool>> gone_ = std::make_shared<std::atomic<bool>>(false);
  std::unique_ptr<ContentDecoder> decoder_;
  std::string packed_;      // body bytes before decoder_
  int64_t body_bytes_ = 0;  // as received
  int64_t lingered_ = 0;
  std::shared_ptr<UploadPipe> upload_;
  int64_t input_deadline_ = 0;  // 0: none

  Output output_ = Output::kNone;
  bool dispatching_ = false;  // an answer given now is taken up by Dispatch itself
  std::optional<HttpResponse> inline_answer_;
  HttpResponse response_;
  std::string head_;
  size_t sent_ = 0;    // of head_ and response_.body together
  bool hold_ = false;  // it waits for the end of the round
  std::shared_ptr<DownloadPipe> download_;
  bool head_only_ = false;
  bool chunked_ = false;
  bool first_chunk_ = true;
  std::optional<int64_t> stream_left_;
  bool close_after_ = false;
  int64_t output_deadline_ = 0;
};

}  // namespace slipway::net
