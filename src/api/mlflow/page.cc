// SPDX-License-Identifier: Apache-2.0
// MLflow's page: looked for when it is first asked for, so that a start waits for no disk.
#include "api/mlflow/page.h"

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "net/http.h"

namespace slipway::api::mlflow {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostFiles = 10'000;
constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kTypes = {
    {{".html", "text/html; charset=utf-8"},
     {".js", "text/javascript; charset=utf-8"},
     {".css", "text/css; charset=utf-8"},
     {".json", "application/json"},
     {".svg", "image/svg+xml"},
     {".png", "image/png"},
     {".ico", "image/x-icon"},
     {".woff", "font/woff"},
     {".woff2", "font/woff2"}}};

// Environments that may hold an mlflow: the active one, then those of PATH.
std::vector<fs::path> Environments() {
  std::vector<fs::path> found;
  if (const char* active = std::getenv("VIRTUAL_ENV")) found.emplace_back(active);
  const char* path = std::getenv("PATH");
  std::string_view rest = path != nullptr ? path : "";
  while (!rest.empty()) {
    const size_t colon = std::min(rest.find(':'), rest.size());
    if (colon > 0) found.push_back(fs::path(rest.substr(0, colon)).parent_path());
    rest.remove_prefix(std::min(colon + 1, rest.size()));
  }
  return found;
}

fs::path FindPage() {
  for (const fs::path& environment : Environments()) {
    std::error_code error;
    for (const fs::directory_entry& entry : fs::directory_iterator(environment / "lib", error)) {
      if (!entry.path().filename().string().starts_with("python")) continue;
      fs::path page = entry.path() / "site-packages/mlflow/server/js/build";
      std::error_code missing;
      if (fs::exists(page / "index.html", missing)) return page;
    }
  }
  return {};
}

class Page {
 public:
  explicit Page(std::string where) : where_(std::move(where)) {}

  net::HttpResponse Answer(const std::string& path) {
    std::call_once(looked_, [this] { Look(); });
    if (!files_.contains("index.html")) {
      return net::HttpResponse::Text(
          404,
          "MLflow's page is not here: install mlflow in the Python environment that the server is "
          "started from, or name the folder with its index.html (mlflow/server/js/build) in the "
          "setting mlflow.ui.\n");
    }
    if (!files_.contains(path)) return net::HttpResponse::Text(404, "There is no " + path + ".\n");
    std::ifstream file(folder_ / path, std::ios::binary);
    net::HttpResponse response = net::HttpResponse::Text(
        200, std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()));
    response.SetHeader("Content-Type", "application/octet-stream");
    for (const auto& [ending, type] : kTypes) {
      if (path.ends_with(ending)) response.SetHeader("Content-Type", std::string(type));
    }
    response.SetHeader("X-Content-Type-Options", "nosniff");
    // Names of files below static/ have the hash of their bytes.
    response.SetHeader("Cache-Control",
                       path.starts_with("static/") ? "max-age=2419200" : "no-cache");
    return response;
  }

 private:
  // Only what is listed here is ever opened.
  void Look() {
    folder_ = where_ == "auto" ? FindPage() : fs::path(where_);
    if (folder_.empty()) return;
    std::error_code error;
    for (fs::recursive_directory_iterator entry(folder_, error), end; entry != end && !error;
         entry.increment(error)) {
      if (entry->is_regular_file() && files_.size() < kMostFiles)
        files_.insert(entry->path().lexically_relative(folder_).generic_string());
    }
  }

  const std::string where_;
  std::once_flag looked_;
  fs::path folder_;
  std::set<std::string> files_;
};

}  // namespace

void AddPage(net::Router& router, const std::string& where) {
  if (where == "off") return;
  const auto page = std::make_shared<Page>(where);
  router.AddBlocking("GET", "/mlflow", [](const net::HttpRequest&) {
    net::HttpResponse response = net::HttpResponse::Text(302, "");
    response.SetHeader("Location", "/mlflow/");
    return response;
  });
  router.AddBlocking("GET", "/mlflow/",
                     [page](const net::HttpRequest&) { return page->Answer("index.html"); });
  router.AddBlocking("GET", "/mlflow/static-files/{path...}", [page](net::HttpRequest& request) {
    return page->Answer(request.GetParam("path"));
  });
}

}  // namespace slipway::api::mlflow
