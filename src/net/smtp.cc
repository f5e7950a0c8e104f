// SPDX-License-Identifier: Apache-2.0
// One SMTP dialogue, from the greeting to QUIT.
#include "net/smtp.h"

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/hash.h"
#include "net/address.h"
#include "net/outbound.h"

namespace slipway::net {
namespace {

constexpr size_t kMaxReply = 64 * 1024;

base::Status CheckAddress(const std::string& address) {
  const bool odd = std::any_of(address.begin(), address.end(), [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || c == '<' || c == '>' || c == 0x7f;
  });
  if (odd || address.find('@') == std::string::npos)
    return base::InvalidArgument("address", "expected name@host, got \"" + address + "\"");
  return base::Status::Ok();
}

// Every line ends with CR LF, and one that begins with a dot gets another (RFC 5321, 4.5.2).
std::string DataOf(std::string_view bytes) {
  std::string data;
  bool begins = true;
  for (const char c : bytes) {
    if (c == '\r') continue;
    if (begins && c == '.') data += '.';
    begins = c == '\n';
    if (c == '\n') data += '\r';
    data += c;
  }
  if (!begins) data += "\r\n";
  return data + ".\r\n";
}

class Dialogue {
 public:
  explicit Dialogue(std::unique_ptr<Outbound> connection) : connection_(std::move(connection)) {}

  // The reply's text (all lines) when its code is `expected`.
  base::Result<std::string> Expect(int expected, const std::string& doing) {
    std::string text;
    while (true) {
      const std::string line = TRY(ReadLine());
      text += line + "\n";
      if (line.size() < 4 || line[3] != '-') break;
      if (text.size() > kMaxReply) return base::Unavailable("mail_protocol", "reply too long");
    }
    const std::string code = text.substr(0, 3);
    if (code == std::to_string(expected)) return text;
    const std::string said = doing + ": the mail server said " + text.substr(0, text.find('\n'));
    if (code.starts_with("5")) return base::FailedPrecondition("mail_refused", said);
    return base::Unavailable("mail_deferred", said);
  }
  base::Result<std::string> Ask(const std::string& line, int expected, const std::string& doing) {
    TRY(connection_->Write(line + "\r\n"));
    return Expect(expected, doing);
  }
  base::Status Write(std::string_view bytes) { return connection_->Write(bytes); }
  base::Status Secure(const std::string& host) {
    if (!buffer_.empty())  // what came before TLS could be anybody's
      return base::Unavailable("mail_protocol", "the server spoke before TLS began");
    connection_ = TRY(connection_->Secure(host));
    return base::Status::Ok();
  }

 private:
  base::Result<std::string> ReadLine() {
    while (true) {
      const size_t end = buffer_.find('\n');
      if (end != std::string::npos) {
        std::string line = buffer_.substr(0, end);
        buffer_.erase(0, end + 1);
        if (line.ends_with('\r')) line.pop_back();
        return line;
      }
      if (buffer_.size() > kMaxReply) return base::Unavailable("mail_protocol", "line too long");
      std::array<char, 4096> piece{};
      const size_t got = TRY(connection_->Read(piece));
      if (got == 0) return base::Unavailable("mail_protocol", "the mail server hung up");
      buffer_.append(piece.data(), got);
    }
  }

  std::unique_ptr<Outbound> connection_;
  std::string buffer_;
};

bool Offers(const std::string& greeting, std::string_view extension) {
  size_t start = 0;
  while (start + 4 < greeting.size()) {
    const size_t end = greeting.find('\n', start);
    const std::string_view line = std::string_view(greeting).substr(start + 4, end - start - 4);
    if (line.starts_with(extension)) return true;
    start = end + 1;
  }
  return false;
}

base::Status Authenticate(Dialogue& dialogue, const std::string& greeting,
                          const MailServer& server) {
  const size_t methods = greeting.find("AUTH");
  const std::string offered =
      methods == std::string::npos
          ? ""
          : greeting.substr(methods, greeting.find('\n', methods) - methods);
  constexpr int kDone = 235;
  constexpr int kGoOn = 334;
  if (offered.find("PLAIN") != std::string::npos) {
    const std::string secret =
        std::string(1, '\0') + server.username + std::string(1, '\0') + server.password;
    return dialogue.Ask("AUTH PLAIN " + base::Base64Encode(secret), kDone, "AUTH").status();
  }
  if (offered.find("LOGIN") != std::string::npos) {
    TRY(dialogue.Ask("AUTH LOGIN", kGoOn, "AUTH"));
    TRY(dialogue.Ask(base::Base64Encode(server.username), kGoOn, "AUTH"));
    return dialogue.Ask(base::Base64Encode(server.password), kDone, "AUTH").status();
  }
  return base::FailedPrecondition("mail_refused",
                                  "the mail server takes neither AUTH PLAIN nor AUTH LOGIN");
}

bool IsLocal(const std::string& host) { return host == "localhost" || host.starts_with("127."); }

constexpr int kReady = 220;
constexpr int kOk = 250;
constexpr int kSendData = 354;

}  // namespace

base::Status SendMail(const HttpClientSettings& settings, const MailServer& server,
                      const Mail& mail) {
  TRY(CheckAddress(mail.from));
  for (const std::string& to : mail.to) TRY(CheckAddress(to));
  const auto where = TRY(ParseHostPort(server.host_port));
  const AllowList allowed = TRY(AllowList::Parse(settings.allow));
  const int64_t deadline = base::MonotonicNanos() + settings.timeout.micros * 1000;
  Dialogue dialogue(
      TRY(Outbound::Connect(where.host, where.port, server.security == "tls", allowed, deadline)));
  TRY(dialogue.Expect(kReady, "greeting"));
  std::string greeting = TRY(dialogue.Ask("EHLO slipway", kOk, "EHLO"));
  if (server.security == "starttls") {
    if (!Offers(greeting, "STARTTLS"))
      return base::FailedPrecondition("mail_refused", "the mail server offers no STARTTLS");
    TRY(dialogue.Ask("STARTTLS", kReady, "STARTTLS"));
    TRY(dialogue.Secure(where.host));
    greeting = TRY(dialogue.Ask("EHLO slipway", kOk, "EHLO"));
  }
  if (!server.username.empty()) {
    if (server.security == "none" && !IsLocal(where.host))
      return base::FailedPrecondition("mail_refused", "a password is not sent without TLS");
    TRY(Authenticate(dialogue, greeting, server));
  }
  TRY(dialogue.Ask("MAIL FROM:<" + mail.from + ">", kOk, "MAIL FROM"));
  for (const std::string& to : mail.to) TRY(dialogue.Ask("RCPT TO:<" + to + ">", kOk, "RCPT TO"));
  TRY(dialogue.Ask("DATA", kSendData, "DATA"));
  TRY(dialogue.Write(DataOf(mail.bytes)));
  TRY(dialogue.Expect(kOk, "DATA"));
  // It has taken the message: what becomes of the farewell does not matter.
  [[maybe_unused]] const base::Status farewell = dialogue.Write("QUIT\r\n");
  return base::Status::Ok();
}

}  // namespace slipway::net
