// SPDX-License-Identifier: Apache-2.0
// HttpConnection: bytes in and out, on the I/O thread. A state machine without blocking calls:
// Advance runs both halves until neither can go on without the socket, the handler or a pipe.
// Requests of one connection are answered in order, one at a time.
#include "net/http_connection.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace slipway::net {

namespace {

constexpr size_t kHeadReadBytes = 8 * 1024;
constexpr size_t kBodyReadBytes = 64 * 1024;
constexpr int kMostSteps = 1000;
constexpr int kMostSendings = 16;  // in one round, to a client that sends ahead
// An answer waits no longer for others to go with it; a model may take its time on this thread.
constexpr int64_t kMostHeldNs = 100'000;
constexpr int64_t kMostLingerBytes = 64LL * 1024 * 1024;
constexpr base::Duration kLingerTime{2 * base::kSecond};

}  // namespace

HttpConnection::HttpConnection(std::shared_ptr<HttpWorker> worker, base::FileHandle socket,
                               std::string remote_address)
    : worker_(std::move(worker)),
      socket_(std::move(socket)),
      remote_address_(std::move(remote_address)),
      parser_({worker_->shared->settings.max_header_bytes, worker_->shared->settings.max_headers,
               worker_->shared->settings.max_target_bytes}) {
  if (const auto& tls = worker_->shared->tls)
    tls_ = std::make_unique<TlsStream>(tls->current()->context, socket_.fd());
}

HttpConnection::~HttpConnection() = default;

void HttpConnection::Start() {
  worker_->connections.insert(shared_from_this());
  input_deadline_ = After(worker_->shared->settings.header_timeout);
  if (!worker_->loop.Watch(socket_.fd(), this).ok()) Close();
}

void HttpConnection::OnReady(const Ready& ready) {
  if (closed_) return;
  Note(ready);
  if (closed_) return;
  waited_ns_ = worker_->loop.waited_ns();
  const bool reads = output_ == Output::kNone && (input_ == Input::kHead || input_ == Input::kBody);
  if (reads) Fill(input_ == Input::kHead ? kHeadReadBytes : kBodyReadBytes);
  if (closed_) return;
  if (waited_ns_ == 0) {
    worker_->ready.push_back(this);
  } else {
    worker_->TakeTurn(*this);  // whether it came too late decides who is next
  }
}

void HttpConnection::Note(const Ready& ready) {
  readable_ = readable_ || ready.readable;
  writable_ = writable_ || ready.writable;
  half_closed_ = half_closed_ || ready.half_closed;
  if (half_closed_) gone_->store(true, std::memory_order_relaxed);
  // A client that only reads events cannot be heard of otherwise.
  const bool deaf = half_closed_ && output_ == Output::kStreaming && response_.push;
  if (ready.broken || deaf) Close();
}

void HttpWorker::TakeTurn(HttpConnection& connection) {
  if (!connection.closed()) connection.Advance();
  if (held.empty()) return;
  const int64_t now_ns = base::MonotonicNanos();
  if (held_since_ns == 0) {
    held_since_ns = now_ns;
  } else if (now_ns - held_since_ns >= kMostHeldNs) {
    SendHeld();
  }
}

void HttpWorker::EndRound() {
  if (ready.size() == 1) {
    if (!ready.front()->closed()) ready.front()->Advance();
  } else {
    for (HttpConnection* connection : ready) TakeTurn(*connection);
  }
  ready.clear();
  SendHeld();
}

void HttpWorker::SendHeld() {
  held_since_ns = 0;
  std::vector<HttpConnection*> sending;
  for (int i = 0; !held.empty(); ++i) {
    sending.swap(held);
    for (HttpConnection* connection : sending) connection->SendHeld();
    for (HttpConnection* connection : sending) {
      if (connection->closed()) continue;
      if (i < kMostSendings) {
        connection->Advance();
      } else {
        connection->Waker()();
      }
    }
    sending.clear();
  }
}

void HttpConnection::SendHeld() {
  hold_ = false;
  if (!closed_ && Flush()) FinishResponse();
}

void HttpConnection::Advance() {
  for (int step = 0; !closed_ && (StepInput() || (!closed_ && StepOutput())); ++step) {
    if (step < kMostSteps) continue;
    Waker()();  // others have their turn before a client that never stops sending
    return;
  }
}

bool HttpConnection::StepInput() {
  switch (input_) {
    case Input::kHead:
      return output_ == Output::kNone && StepHead();
    case Input::kBody:
      return StepBody();
    case Input::kPipe:
      return StepPipe();
    case Input::kLinger:
      return StepLinger();
    case Input::kDone:
    case Input::kStopped:
      return false;
  }
  return false;
}

bool HttpConnection::StepHead() {
  if (begin_ == end_ && !Fill(kHeadReadBytes)) return false;
  if (!head_started_) {
    head_started_ = true;
    input_deadline_ = After(worker_->shared->settings.header_timeout);
    request_ = HttpRequest();
    head_only_ = false;
    close_after_ = false;
    parser_.Reset(&request_);
  }
  const auto used = parser_.ParseHead({buffer_.data() + begin_, end_ - begin_});
  if (!used.ok()) {
    Refuse(used.status());
    return true;
  }
  begin_ += *used;
  if (!parser_.head_done()) return Fill(kHeadReadBytes);
  head_started_ = false;
  BeginRequest();
  return true;
}

// Parses what the buffer holds of the body, unpacks it and holds it to the limit.
base::Status HttpConnection::TakeBody(size_t& used) {
  const int64_t most = worker_->shared->settings.max_body_bytes;
  std::string& target = decoder_ ? packed_ : request_.body;
  const size_t before = target.size();
  used = TRY(parser_.ParseBody({buffer_.data() + begin_, end_ - begin_}, target));
  begin_ += used;
  body_bytes_ += static_cast<int64_t>(target.size() - before);
  if (body_bytes_ > most) return BodyTooLarge(most);
  if (!decoder_) return base::Status::Ok();
  TRY(decoder_->Decode(packed_, request_.body, static_cast<size_t>(most)));
  packed_.clear();
  return parser_.done() ? decoder_->Finish() : base::Status::Ok();
}

bool HttpConnection::StepBody() {
  if (begin_ == end_ && !Fill(kBodyReadBytes)) return false;
  size_t used = 0;
  const base::Status status = TakeBody(used);
  if (!status.ok()) {
    Refuse(status);
    return true;
  }
  if (parser_.done()) {
    input_ = Input::kDone;
    Dispatch();
    return true;
  }
  if (used > 0) input_deadline_ = After(worker_->shared->settings.body_timeout);
  return Fill(kBodyReadBytes);
}

bool HttpConnection::StepPipe() {
  if (upload_->Room() == 0) {
    input_deadline_ = 0;  // the handler is slow, not the client
    return false;
  }
  if (input_deadline_ == 0) input_deadline_ = After(worker_->shared->settings.body_timeout);
  if (begin_ == end_ && !Fill(kBodyReadBytes)) return false;
  std::string piece;
  const auto used = parser_.ParseBody({buffer_.data() + begin_, end_ - begin_}, piece);
  if (!used.ok()) {
    Refuse(used.status());
    return true;
  }
  begin_ += *used;
  body_bytes_ += static_cast<int64_t>(piece.size());
  if (body_bytes_ > worker_->shared->settings.max_stream_bytes) {
    Refuse(BodyTooLarge(worker_->shared->settings.max_stream_bytes));
    return true;
  }
  upload_->Push(std::move(piece));
  if (parser_.done()) {
    input_ = Input::kDone;
    input_deadline_ = 0;
    upload_->End();
    return true;
  }
  if (*used == 0) return Fill(kBodyReadBytes);
  input_deadline_ = After(worker_->shared->settings.body_timeout);
  return true;
}

bool HttpConnection::StepLinger() {
  lingered_ += static_cast<int64_t>(end_ - begin_);
  begin_ = end_;
  if (lingered_ > kMostLingerBytes) {
    Close();
    return false;
  }
  return Fill(kBodyReadBytes);
}

// As recv.
int64_t HttpConnection::Receive(char* buffer, size_t size) {
  if (tls_) return tls_->Read(buffer, size);
  return recv(socket_.fd(), buffer, size, 0);
}

// As sendmsg, of at most two parts.
int64_t HttpConnection::SendParts(std::span<const std::string_view> parts) {
  if (tls_) return tls_->Write(parts);
  if (parts.size() == 1) return send(socket_.fd(), parts[0].data(), parts[0].size(), MSG_NOSIGNAL);
  std::array<iovec, 2> vectors{};
  for (size_t i = 0; i < parts.size(); ++i)
    vectors[i] = {const_cast<char*>(parts[i].data()), parts[i].size()};
  msghdr message{};
  message.msg_iov = vectors.data();
  message.msg_iovlen = parts.size();
  return sendmsg(socket_.fd(), &message, MSG_NOSIGNAL);
}

// Reads once, with at least `least` bytes of room behind what is there. False: nothing came (or the
// connection ended).
bool HttpConnection::Fill(size_t least) {
  if (!readable_ || !MakeRoom(least)) return false;
  const size_t room = buffer_.size() - end_;
  const int64_t got = Receive(buffer_.data() + end_, room);
  if (got > 0) {
    end_ += static_cast<size_t>(got);
    // Less than asked for: the socket is empty, and its next edge will say when it is not. The end
    // of the stream has no edge of its own once its flag was seen, so then reading goes on to the
    // end. TLS keeps records of its own, and says when it has none.
    if (static_cast<size_t>(got) < room && !half_closed_ && !tls_) readable_ = false;
    return true;
  }
  if (got < 0 && errno == EINTR) return true;
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
    readable_ = false;
    return false;
  }
  Close();
  return false;
}

bool HttpConnection::MakeRoom(size_t least) {
  if (begin_ == end_) begin_ = end_ = 0;
  if (buffer_.size() - end_ >= least / 2 && !buffer_.empty()) return true;
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  // A head is held to its limit by the parser; only a chunk's own header line can pile up here.
  const size_t most =
      static_cast<size_t>(worker_->shared->settings.max_header_bytes) + 2 * kBodyReadBytes;
  if (end_ >= most) {
    Refuse(base::InvalidArgument("", "a chunk header is too long", "bad_request"));
    return false;
  }
  if (buffer_.size() - end_ < least) buffer_.resize(end_ + least);
  return true;
}

bool HttpConnection::StepOutput() {
  switch (output_) {
    case Output::kNone:
    case Output::kWaiting:
      return false;
    case Output::kSending:
      if (hold_ || !Flush()) return false;
      if (download_) {
        output_ = Output::kStreaming;
      } else {
        FinishResponse();
      }
      return true;
    case Output::kStreaming:
      return NextPiece();
  }
  return false;
}

// Writes what is left of head_ and body together; true once all is out.
bool HttpConnection::Flush() {
  const size_t total = head_.size() + response_.body.size();
  while (sent_ < total) {
    if (!writable_) return false;
    std::array<std::string_view, 2> parts;
    size_t count = 0;
    if (sent_ < head_.size()) parts[count++] = std::string_view(head_).substr(sent_);
    const size_t body_sent = sent_ > head_.size() ? sent_ - head_.size() : 0;
    if (body_sent < response_.body.size())
      parts[count++] = std::string_view(response_.body).substr(body_sent);
    const int64_t written = SendParts({parts.data(), count});
    if (written >= 0) {
      sent_ += static_cast<size_t>(written);
      output_deadline_ = After(worker_->shared->settings.body_timeout);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
      Close();
      return false;
    }
    writable_ = false;
  }
  return true;
}

bool HttpConnection::NextPiece() {
  std::string piece;
  head_.clear();
  sent_ = 0;
  switch (download_->Take(piece)) {
    case DownloadPipe::Next::kNothingYet:
      response_.body.clear();
      output_deadline_ = 0;  // the source is slow, not the client
      return false;
    case DownloadPipe::Next::kPiece:
      if (stream_left_ && (*stream_left_ -= static_cast<int64_t>(piece.size())) < 0) {
        Close();  // more than the length that was promised
        return false;
      }
      if (chunked_) {
        std::array<char, 20> digits{};
        const auto end =
            std::to_chars(digits.data(), digits.data() + digits.size(), piece.size(), 16).ptr;
        head_ += std::exchange(first_chunk_, false) ? "" : "\r\n";
        head_.append(digits.data(), end);
        head_ += "\r\n";
      }
      response_.body = std::move(piece);
      break;
    case DownloadPipe::Next::kEnd:
      if (stream_left_ && *stream_left_ > 0) {
        Close();
        return false;
      }
      if (chunked_) head_ = first_chunk_ ? "0\r\n\r\n" : "\r\n0\r\n\r\n";
      response_.body.clear();
      download_.reset();
      break;
    case DownloadPipe::Next::kFailed:
      Close();  // cut short, so that the client does not take it for whole
      return false;
  }
  output_ = Output::kSending;
  output_deadline_ = After(worker_->shared->settings.body_timeout);
  return true;
}

void HttpConnection::FinishResponse() {
  output_ = Output::kNone;
  output_deadline_ = 0;
  response_ = HttpResponse();
  upload_.reset();
  if (!close_after_) {
    input_ = Input::kHead;
    input_deadline_ = After(worker_->shared->settings.idle_timeout);
    return;
  }
  if (input_ == Input::kDone && begin_ == end_ &&
      !readable_) {  // nothing unread: closing will not reset the connection
    Close();
    return;
  }
  if (tls_) tls_->ShutDown();
  shutdown(socket_.fd(), SHUT_WR);
  input_ = Input::kLinger;
  lingered_ = 0;
  input_deadline_ = After(kLingerTime);
}

void HttpConnection::OnTick() {
  if (output_deadline_ != 0 && worker_->now > output_deadline_) {
    worker_->shared->timeouts.Add();
    Close();
    return;
  }
  if (input_deadline_ != 0 && worker_->now > input_deadline_) {
    OnInputTimeout();
    return;
  }
  const bool idle = input_ == Input::kHead && output_ == Output::kNone && begin_ == end_;
  if (idle && buffer_.size() > kHeadReadBytes) std::vector<char>().swap(buffer_);
}

void HttpConnection::OnInputTimeout() {
  input_deadline_ = 0;
  if (input_ == Input::kLinger || (input_ == Input::kHead && !head_started_)) {
    Close();
    return;
  }
  worker_->shared->timeouts.Add();
  Refuse({base::Code::kDeadlineExceeded, "request_timeout", "the request did not arrive in time"});
  Advance();
}

void HttpConnection::OnDrain() {
  if (input_ == Input::kHead && output_ == Output::kNone && !head_started_) {
    Close();
  } else if (download_ && response_.push) {
    download_->Close();
  }
}

void HttpConnection::Close() {
  if (closed_) return;
  closed_ = true;
  gone_->store(true, std::memory_order_relaxed);
  worker_->loop.Unwatch(socket_.fd(), this);
  if (tls_ && output_ == Output::kNone) tls_->ShutDown();
  socket_ = base::FileHandle();
  if (upload_) upload_->Fail(base::Unavailable("client_gone", "the client closed the connection"));
  if (download_) download_->MarkGone();
  inline_answer_.reset();
  // This object is in use further up the stack, and events of this round may still name it: let go
  // afterwards.
  worker_->loop.Post([self = shared_from_this()] {});
  worker_->connections.erase(shared_from_this());
  if (worker_->shared->open.fetch_sub(1) == 1) {
    std::lock_guard lock(worker_->shared->mutex);
    worker_->shared->all_closed.notify_all();
  }
}

}  // namespace slipway::net
