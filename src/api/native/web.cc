// SPDX-License-Identifier: Apache-2.0
// The web page, from the binary: `/` and its assets.
#include <algorithm>

#include "api/native/native.h"

namespace slipway::api::native {
namespace {

std::string_view ContentType(std::string_view path) {
  if (path.ends_with(".html")) return "text/html; charset=utf-8";
  if (path.ends_with(".js")) return "text/javascript; charset=utf-8";
  if (path.ends_with(".css")) return "text/css; charset=utf-8";
  if (path.ends_with(".svg")) return "image/svg+xml";
  return "application/octet-stream";
}

// `/` is the page for people; a program that asks there whether the server is alive (KServe's
// client does, and takes no HTML) is told so.
bool WantsPage(const net::HttpRequest& request) {
  return request.GetHeader("Accept").find("text/html") != std::string_view::npos;
}

void Serve(net::Router& router, const std::string& route, const WebFile& file) {
  router.Add(
      "GET", route,
      [file, root = route == "/"](const net::HttpRequest& request, const net::Respond& respond) {
        if (root && !WantsPage(request))
          return respond(net::HttpResponse::Json(200, R"({"status":"alive"})"));
        net::HttpResponse response = net::HttpResponse::Text(200, std::string(file.bytes));
        response.SetHeader("Content-Type", std::string(ContentType(file.path)));
        response.SetHeader("Cache-Control", "no-cache");
        // The page loads nothing from anywhere else.
        response.SetHeader(
            "Content-Security-Policy",
            "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:");
        response.SetHeader("X-Content-Type-Options", "nosniff");
        respond(std::move(response));
      });
}

}  // namespace

void RegisterWeb(net::Router& router, std::span<const WebFile> web) {
  for (const WebFile& file : web) {
    if (file.path == "index.html") Serve(router, "/", file);
    Serve(router, "/ui/" + std::string(file.path), file);
  }
}

}  // namespace slipway::api::native
