// SPDX-License-Identifier: Apache-2.0
// Alerts as e-mail: plain text, threaded by incident.
#include <string>
#include <utility>

#include "base/hash.h"
#include "monitoring/sinks.h"
#include "monitoring/sinks/message.h"
#include "net/smtp.h"

namespace slipway::monitoring {
namespace {

constexpr size_t kLine = 76;  // of base64 text (RFC 2045)

// A header cannot hold line ends; what is not ASCII goes as an encoded word.
std::string HeaderText(const std::string& text) {
  std::string clean;
  bool ascii = true;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    clean += byte < 0x20 ? ' ' : c;
    ascii = ascii && byte < 0x7f;
  }
  return ascii ? clean : "=?utf-8?B?" + base::Base64Encode(clean) + "?=";
}

std::string Wrapped(const std::string& base64) {
  std::string lines;
  for (size_t i = 0; i < base64.size(); i += kLine) lines += base64.substr(i, kLine) + "\n";
  return lines;
}

// "Wed, 01 Jan 2026 00:00:00 +0000" is what mail wants.
std::string MailDate(base::Micros now) {
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::string iso = base::FormatTime(now);  // 2026-01-01T00:00:00.000000Z
  const auto month = static_cast<size_t>((iso[5] - '0') * 10 + (iso[6] - '0') - 1);
  return iso.substr(8, 2) + " " + kMonths[month] + " " + iso.substr(0, 4) + " " +
         iso.substr(11, 8) + " +0000";
}

class EmailSink final : public AlertSink {
 public:
  EmailSink(EmailSettings settings, const net::HttpClient& client)
      : settings_(std::move(settings)), client_(client) {}

  std::string_view name() const override { return "email"; }

  Delivery Deliver(const AlertMessage& message, base::Micros now) override {
    const base::Status sent = net::SendMail(
        client_.settings(),
        {settings_.server, settings_.security, settings_.username, settings_.password},
        {settings_.from, settings_.to, Bytes(message, now)});
    if (sent.ok()) return {};
    const bool again =
        sent.code() == base::Code::kUnavailable || sent.code() == base::Code::kDeadlineExceeded;
    return {again ? Delivery::Outcome::kRetry : Delivery::Outcome::kRejected, sent.ToString(), {}};
  }

 private:
  std::string Bytes(const AlertMessage& message, base::Micros now) const {
    const AlertFacts facts = ReadFacts(message);
    std::string body = facts.summary + "\n\n";
    for (const auto& [name, value] : facts.Rows()) body += name + ": " + value + "\n";
    std::string to;
    for (const std::string& address : settings_.to) to += (to.empty() ? "" : ", ") + address;
    const std::string thread = "<" + facts.id + "@slipway>";
    return "From: " + HeaderText(settings_.from) + "\nTo: " + HeaderText(to) +
           "\nSubject: " + HeaderText(facts.Title()) + "\nDate: " + MailDate(now) +
           "\nMessage-ID: <" + message.id + "@slipway>\nIn-Reply-To: " + thread +
           "\nReferences: " + thread +
           "\nAuto-Submitted: auto-generated\nMIME-Version: 1.0\nContent-Type: text/plain; "
           "charset=utf-8\nContent-Transfer-Encoding: base64\n\n" +
           Wrapped(base::Base64Encode(body));
  }

  const EmailSettings settings_;
  const net::HttpClient& client_;
};

}  // namespace

void Describe(base::Schema& schema, EmailSettings& settings) {
  schema.Add("alerts.email.server", &settings.server,
             "host:port of an SMTP server; empty: alerts are not sent by e-mail.");
  schema.AddChoice("alerts.email.security", &settings.security,
                   "starttls (refused when the server has none), tls, or none.",
                   {"starttls", "tls", "none"});
  schema.Add("alerts.email.username", &settings.username, "For AUTH; empty: without.");
  schema.Add("alerts.email.password", &settings.password, "For AUTH.");
  schema.Add("alerts.email.from", &settings.from, "Sender of alert messages.");
  schema.Add("alerts.email.to", &settings.to, "Receivers of alert messages.");
}

std::unique_ptr<AlertSink> MakeEmailSink(const EmailSettings& settings,
                                         const net::HttpClient& client) {
  return std::make_unique<EmailSink>(settings, client);
}

}  // namespace slipway::monitoring
