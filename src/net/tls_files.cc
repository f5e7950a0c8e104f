// SPDX-License-Identifier: Apache-2.0
// TlsFiles: certificates from files, checked as a whole before any connection sees them.
#include "net/tls_files.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#include <array>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "base/files.h"
#include "base/log.h"

namespace slipway::net {

void Describe(base::Schema& schema, std::string_view prefix, TlsSettings& settings) {
  const std::string name(prefix);
  schema.Add(
      name + ".certificate", &settings.certificate,
      "File (PEM) of the server's certificate and those above it; set together with the key, "
      "the server speaks TLS only.");
  schema.Add(name + ".key", &settings.key, "File (PEM) of the certificate's private key.");
  schema.Add(name + ".client_ca", &settings.client_ca,
             "File (PEM) of the authorities whose certificates clients must show; empty: clients "
             "need none.");
  if (prefix == "http.tls") {
    schema.AddChoice(name + ".min_version", &settings.min_version, "Oldest TLS that is spoken.",
                     {"1.2", "1.3"});
  }
  schema.Add(name + ".reload_interval", &settings.reload_interval,
             "How often the files are looked at for a change; SIGHUP reads them at once.",
             {10 * base::kMillisecond}, {base::kDay});
}

namespace {

constexpr int64_t kMostPemBytes = 1 << 20;
constexpr unsigned char kHttp11[] = "\x08http/1.1";
constexpr unsigned char kSessionContext[] = "slipway";

struct BioDeleter {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using Bio = std::unique_ptr<BIO, BioDeleter>;

std::string SslError() {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_peek_last_error(), text.data(), text.size());
  ERR_clear_error();
  return text.data();
}

// HTTP/1.1 to whoever asks by ALPN; a client that knows only other protocols is turned away.
int ChooseProtocol(SSL*, const unsigned char** out, unsigned char* out_size,
                   const unsigned char* offered, unsigned int offered_size, void*) {
  unsigned char* chosen = nullptr;
  const int result =
      SSL_select_next_proto(&chosen, out_size, kHttp11, sizeof(kHttp11) - 1, offered, offered_size);
  *out = chosen;
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

std::vector<X509*> ReadCertificates(const std::string& pem) {
  std::vector<X509*> all;
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  while (X509* one = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) all.push_back(one);
  ERR_clear_error();  // the end of the file
  return all;
}

base::Status UseCertificate(SSL_CTX* context, const TlsMaterial& material,
                            const std::string& prefix) {
  const std::vector<X509*> chain = ReadCertificates(material.certificate);
  bool used = !chain.empty() && SSL_CTX_use_certificate(context, chain[0]) == 1;
  for (size_t i = 0; i < chain.size(); ++i) {
    if (i > 0) used = SSL_CTX_add1_chain_cert(context, chain[i]) == 1 && used;
    X509_free(chain[i]);
  }
  if (!used)
    return base::InvalidArgument(prefix + ".certificate", "expected a certificate in PEM form");
  const Bio bio(BIO_new_mem_buf(material.key.data(), static_cast<int>(material.key.size())));
  // An encrypted key would ask at the terminal.
  char none[] = "";
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, none);
  if (key == nullptr) {
    return base::InvalidArgument(prefix + ".key",
                                 "expected an unencrypted private key in PEM form: " + SslError());
  }
  const bool fits =
      SSL_CTX_use_PrivateKey(context, key) == 1 && SSL_CTX_check_private_key(context) == 1;
  EVP_PKEY_free(key);
  if (fits) return base::Status::Ok();
  return base::InvalidArgument(prefix + ".key", "is not the certificate's key: " + SslError());
}

base::Status UseClientCa(SSL_CTX* context, const TlsMaterial& material, const std::string& prefix) {
  const std::vector<X509*> authorities = ReadCertificates(material.client_ca);
  bool used = !authorities.empty();
  for (X509* one : authorities) {
    used = X509_STORE_add_cert(SSL_CTX_get_cert_store(context), one) == 1 &&
           SSL_CTX_add_client_CA(context, one) == 1 && used;
    X509_free(one);
  }
  if (!used)
    return base::InvalidArgument(prefix + ".client_ca", "expected certificates in PEM form");
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  return base::Status::Ok();
}

base::Result<std::string> ReadPem(const std::string& field, const std::string& path) {
  auto text = base::ReadFile(path, kMostPemBytes);
  if (!text.ok()) return base::InvalidArgument(field, text.status().message());
  return text;
}

base::Result<std::shared_ptr<TlsMaterial>> Read(const std::string& prefix,
                                                const TlsSettings& settings) {
  auto material = std::make_shared<TlsMaterial>();
  material->certificate = TRY(ReadPem(prefix + ".certificate", settings.certificate));
  material->key = TRY(ReadPem(prefix + ".key", settings.key));
  material->context = std::shared_ptr<SSL_CTX>(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  SSL_CTX* context = material->context.get();
  SSL_CTX_set_min_proto_version(context,
                                settings.min_version == "1.3" ? TLS1_3_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_options(
      context, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_id_context(context, kSessionContext, sizeof(kSessionContext) - 1);
  SSL_CTX_set_alpn_select_cb(context, ChooseProtocol, nullptr);
  TRY(UseCertificate(context, *material, prefix));
  if (!settings.client_ca.empty()) {
    material->client_ca = TRY(ReadPem(prefix + ".client_ca", settings.client_ca));
    TRY(UseClientCa(context, *material, prefix));
  }
  return material;
}

// What tells that one of the files is another than before.
std::string Fingerprint(const TlsSettings& settings) {
  std::string text;
  for (const std::string& path : {settings.certificate, settings.key, settings.client_ca}) {
    struct stat info{};
    if (path.empty() || stat(path.c_str(), &info) != 0) {
      text += "-;";
      continue;
    }
    for (const int64_t part :
         {static_cast<int64_t>(info.st_ino), static_cast<int64_t>(info.st_size),
          static_cast<int64_t>(info.st_mtim.tv_sec), static_cast<int64_t>(info.st_mtim.tv_nsec)})
      text += std::to_string(part) + ",";
    text += ";";
  }
  return text;
}

}  // namespace

struct TlsFiles::State {
  std::string prefix;
  TlsSettings settings;
  mutable std::mutex mutex;  // over the members below
  std::condition_variable wake;
  std::shared_ptr<const TlsMaterial> material;
  bool asked = false;
  bool stopped = false;
  std::thread thread;

  void ReadAgain() {
    auto read = Read(prefix, settings);
    if (!read.ok()) {
      base::Log(base::LogLevel::kError, "net",
                "the new certificate cannot be used; the former one stays",
                {{"setting", read.status().field()}, {"error", read.status().message()}});
      return;
    }
    {
      std::lock_guard lock(mutex);
      (*read)->generation = material->generation + 1;
      material = *read;
    }
    base::Log(base::LogLevel::kInfo, "net", "the certificate was read again",
              {{"setting", prefix + ".certificate"}});
  }

  void Watch() {
    std::string known = Fingerprint(settings);
    std::string seen = known;
    std::unique_lock lock(mutex);
    while (true) {
      wake.wait_for(lock, std::chrono::microseconds(settings.reload_interval.micros),
                    [&] { return asked || stopped; });
      if (stopped) return;
      const bool now = std::exchange(asked, false);
      lock.unlock();
      const std::string print = Fingerprint(settings);
      // Files are often written one after the other: wait until they stand still.
      if (now || (print != known && print == seen)) {
        known = print;
        ReadAgain();
      }
      seen = print;
      lock.lock();
    }
  }
};

base::Result<std::unique_ptr<TlsFiles>> TlsFiles::Open(std::string prefix, TlsSettings settings) {
  for (const auto& [name, path] :
       {std::pair<const char*, std::string>{".certificate", settings.certificate},
        {".key", settings.key}}) {
    if (path.empty())
      return base::InvalidArgument(prefix + name, "missing: TLS needs a certificate and its key");
  }
  auto state = std::make_unique<State>();
  state->material = TRY(Read(prefix, settings));
  state->prefix = std::move(prefix);
  state->settings = std::move(settings);
  state->thread = std::thread([raw = state.get()] { raw->Watch(); });
  return std::unique_ptr<TlsFiles>(new TlsFiles(std::move(state)));
}

TlsFiles::TlsFiles(std::unique_ptr<State> state) : state_(std::move(state)) {}

TlsFiles::~TlsFiles() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stopped = true;
  }
  state_->wake.notify_all();
  state_->thread.join();
}

std::shared_ptr<const TlsMaterial> TlsFiles::current() const {
  std::lock_guard lock(state_->mutex);
  return state_->material;
}

bool TlsFiles::asks_for_clients() const { return !state_->settings.client_ca.empty(); }

void TlsFiles::Reload() {
  {
    std::lock_guard lock(state_->mutex);
    state_->asked = true;
  }
  state_->wake.notify_all();
}

}  // namespace slipway::net
