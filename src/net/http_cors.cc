// SPDX-License-Identifier: Apache-2.0
// CORS: which answers a browser shows to pages of other origins.
#include "net/http_cors.h"

#include <algorithm>

namespace slipway::net {

namespace {

std::string Joined(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : ", ") + item;
  return text;
}

bool IsOrigin(std::string_view text) {
  const size_t colon = text.find("://");
  return colon != std::string_view::npos && colon > 0 && colon + 3 < text.size() &&
         text.find_first_of("/ ,*", colon + 3) == std::string_view::npos;
}

bool IsToken(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

}  // namespace

void DescribeCors(base::Schema& schema, CorsSettings& settings) {
  schema.Add("http.cors.origins", &settings.origins,
             "Origins of web pages that may call (\"https://app.example.com\"), or \"*\"; empty: "
             "no page of another origin.");
  schema.Add("http.cors.methods", &settings.methods, "Methods that such pages may use.");
  schema.Add("http.cors.headers", &settings.headers,
             "Request headers that such pages may set; \"*\": any.");
  schema.Add("http.cors.exposed", &settings.exposed, "Answer headers that such pages may read.");
  schema.Add("http.cors.credentials", &settings.credentials,
             "Whether such pages may send cookies and authorization; not together with \"*\".");
  schema.Add("http.cors.max_age", &settings.max_age,
             "How long a browser may remember what is allowed.", {0}, {base::kDay});
}

base::Result<Cors> Cors::Make(const CorsSettings& settings) {
  Cors cors;
  for (const std::string& origin : settings.origins) {
    if (origin == "*") {
      cors.any_ = true;
    } else if (IsOrigin(origin)) {
      cors.origins_.push_back(origin);
    } else {
      return base::InvalidArgument(
          "http.cors.origins", "expected scheme://host[:port] or \"*\", got \"" + origin + "\"");
    }
  }
  for (const auto& [key, names] : {std::pair<const char*, const std::vector<std::string>&>{
                                       "http.cors.methods", settings.methods},
                                   {"http.cors.headers", settings.headers},
                                   {"http.cors.exposed", settings.exposed}}) {
    for (const std::string& name : names) {
      if (!IsToken(name)) return base::InvalidArgument(key, "expected names, got \"" + name + "\"");
    }
  }
  if (cors.any_ && settings.credentials) {
    return base::InvalidArgument("http.cors.credentials",
                                 "cannot be given to every origin (\"*\"): name the origins");
  }
  cors.credentials_ = settings.credentials;
  cors.methods_ = Joined(settings.methods);
  cors.headers_ = Joined(settings.headers);
  cors.exposed_ = Joined(settings.exposed);
  cors.max_age_ = std::to_string(settings.max_age.micros / base::kSecond);
  return cors;
}

std::string Cors::AllowedOrigin(std::string_view origin) const {
  if (origin.empty()) return {};
  if (any_) return "*";
  const bool known = std::find(origins_.begin(), origins_.end(), origin) != origins_.end();
  return known ? std::string(origin) : std::string();
}

bool Cors::IsPreflight(const HttpRequest& request) {
  return request.method == "OPTIONS" && !request.GetHeader("Origin").empty() &&
         !request.GetHeader("Access-Control-Request-Method").empty();
}

void Cors::Decorate(HttpResponse& response, const std::string& allowed) const {
  if (!any_) AddVary(response, "Origin");
  if (allowed.empty()) return;
  response.SetHeader("Access-Control-Allow-Origin", allowed);
  if (credentials_) response.SetHeader("Access-Control-Allow-Credentials", "true");
  if (!exposed_.empty()) response.SetHeader("Access-Control-Expose-Headers", exposed_);
}

void Cors::AnswerPreflight(HttpResponse& response) const {
  response.SetHeader("Access-Control-Allow-Methods", methods_);
  if (!headers_.empty()) response.SetHeader("Access-Control-Allow-Headers", headers_);
  response.SetHeader("Access-Control-Max-Age", max_age_);
  AddVary(response, "Access-Control-Request-Method");
  AddVary(response, "Access-Control-Request-Headers");
}

void AddVary(HttpResponse& response, std::string_view name) {
  for (const Header& header : response.headers) {
    if (header.name != "Vary") continue;
    response.SetHeader("Vary", header.value + ", " + std::string(name));
    return;
  }
  response.headers.push_back({"Vary", std::string(name)});
}

}  // namespace slipway::net
