// SPDX-License-Identifier: Apache-2.0
// SendMail: one message to one SMTP server (RFC 5321), over the same allow-list as every outbound
// call. STARTTLS or TLS by OpenSSL, AUTH PLAIN or LOGIN.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "net/http_client.h"

namespace slipway::net {

struct MailServer {
  std::string host_port;              // "mail.example.org:587"
  std::string security = "starttls";  // "starttls": refused when the server has none; "tls"; "none"
  std::string username;               // empty: no AUTH. Never sent on a connection without TLS
  std::string password;               //   but to this machine itself
};

struct Mail {
  std::string from;
  std::vector<std::string> to;
  std::string bytes;  // headers, empty line, body; lines may end with \n
};

// Blocks up to settings.timeout. kUnavailable and kDeadlineExceeded, and 4yz replies (reason
// "mail_deferred"): later may be better. 5yz: kFailedPrecondition (reason "mail_refused").
// kInvalidArgument: an address with characters that it cannot have.
base::Status SendMail(const HttpClientSettings& settings, const MailServer& server,
                      const Mail& mail);

}  // namespace slipway::net
