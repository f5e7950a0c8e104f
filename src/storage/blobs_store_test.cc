// SPDX-License-Identifier: Apache-2.0
// What the local disk, S3 and GCS promise alike.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/hash.h"
#include "base/status.h"
#include "storage/blobs.h"
#include "storage/blobs_bucket.h"
#include "storage/blobs_file.h"
#include "storage/bucket_testing.h"
#include "storage/folder_testing.h"

namespace slipway::storage {
namespace {

using base::Code;

constexpr BlobStore kStores[] = {
    {"file", OpenFileBlobs}, {"s3", OpenBucketBlobs}, {"gs", OpenBucketBlobs}};

base::Result<std::unique_ptr<Blobs>> OpenAny(const std::string& uri) {
  return OpenBlobs(uri, "/nowhere", kStores);
}

class BlobsStore : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    auto opened = OpenAny(uri_);
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    blobs_ = std::move(opened).value();
  }
  void Put(std::string_view key, std::string_view bytes) {
    const auto put = blobs_->Put(key, bytes);
    ASSERT_TRUE(put.ok()) << put.status().ToString();
  }
  std::string Get(std::string_view key) {
    const auto got = blobs_->Get(key, 64 << 20);
    return got.ok() ? *got : got.status().ToString();
  }
  std::vector<std::string> Names(base::Result<std::vector<BlobInfo>> infos) {
    if (!infos.ok()) return {infos.status().ToString()};
    std::vector<std::string> names;
    for (const BlobInfo& info : *infos) {
      names.push_back(info.is_directory ? info.key + "/"
                                        : info.key + "=" + std::to_string(info.size_bytes));
    }
    return names;
  }

  const std::string uri_ = FreshBlobsUri(GetParam());
  std::unique_ptr<Blobs> blobs_;
};

TEST_P(BlobsStore, ReadsBackWhatWasPut) {
  const auto digest = blobs_->Put("models/fraud/v1/model.onnx", "bytes");
  ASSERT_TRUE(digest.ok()) << digest.status().ToString();
  EXPECT_EQ(digest->size_bytes, 5);
  EXPECT_EQ(digest->sha256, base::Sha256Hex("bytes"));
  EXPECT_EQ(Get("models/fraud/v1/model.onnx"), "bytes");
  EXPECT_EQ(blobs_->Digest("models/fraud/v1/model.onnx").value().sha256, base::Sha256Hex("bytes"));
  const BlobInfo info = blobs_->Stat("models/fraud/v1/model.onnx").value();
  EXPECT_EQ(info.size_bytes, 5);
  EXPECT_FALSE(info.is_directory);
  EXPECT_TRUE(blobs_->Stat("models/fraud").value().is_directory);
}

TEST_P(BlobsStore, KeepsEmptyAndLargeAndOddlyNamed) {
  Put("empty", "");
  EXPECT_EQ(Get("empty"), "");
  std::string large(12 << 20, '\0');  // more than one part of a multipart upload
  for (size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 2654435761u >> 13);
  auto writer = blobs_->Create("large").value();
  for (size_t start = 0; start < large.size(); start += 100'000) {
    ASSERT_TRUE(writer
                    ->Append(std::span(large).subspan(
                        start, std::min<size_t>(100'000, large.size() - start)))
                    .ok());
  }
  EXPECT_EQ(writer->Publish().value().sha256, base::Sha256Hex(large));
  EXPECT_TRUE(Get("large") == large);
  Put("odd/a b+c&d=e%20 ü.txt", "odd");
  EXPECT_EQ(Get("odd/a b+c&d=e%20 ü.txt"), "odd");
  EXPECT_EQ(Names(blobs_->List("odd")), (std::vector<std::string>{"a b+c&d=e%20 ü.txt=3"}));
}

TEST_P(BlobsStore, WritesOnce) {
  Put("a/model", "first");
  const auto other = blobs_->Put("a/model", "other");
  EXPECT_EQ(other.status().code(), Code::kAlreadyExists);
  EXPECT_EQ(other.status().reason(), "blob_exists");
  EXPECT_EQ(Get("a/model"), "first");
  EXPECT_TRUE(blobs_->Put("a/model", "first").ok());
  EXPECT_EQ(blobs_->Put("a", "a folder is there").status().code(), Code::kAlreadyExists);
}

TEST_P(BlobsStore, NothingIsVisibleBeforePublish) {
  auto writer = blobs_->Create("a/model").value();
  ASSERT_TRUE(writer->Append(std::string_view("half")).ok());
  EXPECT_EQ(blobs_->Open("a/model").status().code(), Code::kNotFound);
  EXPECT_TRUE(Names(blobs_->ListAll("")).empty());
  writer.reset();
  EXPECT_EQ(blobs_->Stat("a/model").status().code(), Code::kNotFound);
  EXPECT_TRUE(Names(blobs_->ListAll("")).empty());
  EXPECT_TRUE(Names(blobs_->List("")).empty());
}

TEST_P(BlobsStore, SameBytesFromManyWritersAreOneBlob) {
  std::vector<std::thread> writers;
  std::atomic<int> published = 0;
  writers.reserve(8);
  for (int i = 0; i < 8; ++i) {
    writers.emplace_back([&] {
      if (blobs_->Put("a/b/c", "same").ok()) ++published;
    });
  }
  for (auto& writer : writers) writer.join();
  EXPECT_EQ(published, 8);
  EXPECT_EQ(Names(blobs_->ListAll("")), (std::vector<std::string>{"a/b/c=4"}));
}

TEST_P(BlobsStore, ListsFoldersSorted) {
  Put("runs/1/b.txt", "22");
  Put("runs/1/a.txt", "1");
  Put("runs/1/sub/deep/c.txt", "333");
  Put("runs/10/other", "x");
  Put("runs/1.txt", "y");
  Put("top", "4444");
  EXPECT_EQ(Names(blobs_->List("")), (std::vector<std::string>{"runs/", "top=4"}));
  EXPECT_EQ(Names(blobs_->List("runs/1")),
            (std::vector<std::string>{"a.txt=1", "b.txt=2", "sub/"}));
  EXPECT_EQ(Names(blobs_->ListAll("runs/1")),
            (std::vector<std::string>{"a.txt=1", "b.txt=2", "sub/deep/c.txt=3"}));
  EXPECT_EQ(Names(blobs_->ListAll("")),
            (std::vector<std::string>{"runs/1.txt=1", "runs/1/a.txt=1", "runs/1/b.txt=2",
                                      "runs/1/sub/deep/c.txt=3", "runs/10/other=1", "top=4"}));
  EXPECT_EQ(Names(blobs_->List("runs")), (std::vector<std::string>{"1/", "1.txt=1", "10/"}));
  EXPECT_TRUE(Names(blobs_->List("nowhere")).empty());
  EXPECT_TRUE(Names(blobs_->ListAll("nowhere/at/all")).empty());
}

TEST_P(BlobsStore, RemovesFilesAndFoldersAndLeavesNoEmptyOnes) {
  Put("a/one", "1");
  Put("a/sub/two", "2");
  Put("b/deep/three", "3");
  ASSERT_EQ(blobs_->Remove("b/deep/three").ToString(), "OK");
  EXPECT_EQ(Names(blobs_->List("")), (std::vector<std::string>{"a/"}));
  EXPECT_EQ(blobs_->Remove("b/deep/three").code(), Code::kNotFound);
  ASSERT_EQ(blobs_->Remove("a").ToString(), "OK");
  EXPECT_TRUE(Names(blobs_->List("")).empty());
  Put("a/one", "may be written again");
  EXPECT_EQ(Get("a/one"), "may be written again");
}

TEST_P(BlobsStore, MissingKeysAreNotFound) {
  Put("folder/file", "x");
  EXPECT_EQ(blobs_->Open("nothing").status().code(), Code::kNotFound);
  EXPECT_EQ(blobs_->Open("folder").status().code(), Code::kNotFound);
  EXPECT_EQ(blobs_->Open("folder/file/below").status().code(), Code::kNotFound);
  EXPECT_EQ(blobs_->Stat("nothing").status().code(), Code::kNotFound);
  EXPECT_EQ(blobs_->Remove("nothing").code(), Code::kNotFound);
}

TEST_P(BlobsStore, RefusesBadKeys) {
  const std::vector<std::string> bad = {
      "",     "/a",  "a/",  "a//b", "..",   "../a",        "a/../b",
      "a/..", "./a", "a/.", "a\nb", "\x7f", ".incoming/x", std::string(kMaxKeyBytes + 1, 'k')};
  for (const std::string& key : bad) {
    EXPECT_EQ(blobs_->Create(key).status().field(), "key") << key;
    EXPECT_EQ(blobs_->Open(key).status().field(), "key") << key;
    EXPECT_EQ(blobs_->Stat(key).status().field(), "key") << key;
    EXPECT_EQ(blobs_->Remove(key).field(), "key") << key;
    if (key.empty()) continue;  // the root, to a list
    EXPECT_EQ(blobs_->List(key).status().field(), "key") << key;
  }
  Put("..a/b..", "dots are fine elsewhere");
}

TEST_P(BlobsStore, GetRefusesMoreThanWasAskedFor) {
  Put("a", "12345");
  EXPECT_EQ(blobs_->Get("a", 4).status().code(), Code::kResourceExhausted);
  EXPECT_EQ(blobs_->Get("a", 5).value(), "12345");
}

TEST_P(BlobsStore, CopiesAFolderToLocalFiles) {
  Put("m/model.onnx", "onnx");
  Put("m/code/predict.py", "py");
  const TestFolder local;
  ASSERT_EQ(blobs_->CopyToLocal("m", local / "cache/m").ToString(), "OK");
  EXPECT_EQ(base::ReadFile(local / "cache/m/model.onnx", 100).value(), "onnx");
  EXPECT_EQ(base::ReadFile(local / "cache/m/code/predict.py", 100).value(), "py");
  EXPECT_EQ(blobs_->CopyToLocal("nothing", local / "x").code(), Code::kNotFound);
}

TEST_P(BlobsStore, AnotherProcessSeesThem) {
  Put("a/b", "kept");
  auto other = OpenAny(uri_).value();
  EXPECT_EQ(other->Get("a/b", 10).value(), "kept");
  const std::string uri = blobs_->UriOf("a/b");
  EXPECT_TRUE(uri.ends_with("/a/b")) << uri;
  EXPECT_TRUE(uri.starts_with(GetParam() == "file" ? "/" : GetParam() + "://bucket/")) << uri;
}

INSTANTIATE_TEST_SUITE_P(Stores, BlobsStore, testing::Values("file", "s3", "gs"),
                         [](const auto& scheme) { return scheme.param; });

TEST(OpenBlobs, SaysWhatIsWrongWithAnAddress) {
  EXPECT_NE(OpenAny("ftp://x").status().message().find("file, s3, gs"), std::string::npos);
  EXPECT_EQ(OpenAny("no-scheme").status().field(), "uri");
  EXPECT_EQ(OpenAny("file:").status().field(), "uri");
  EXPECT_EQ(OpenAny("s3://").status().field(), "uri");
  std::string missing = FreshBlobsUri("s3");
  missing.replace(missing.find("@bucket"), 7, "@no-such-bucket");
  EXPECT_EQ(OpenAny(missing).status().reason(), "no_bucket");
}

}  // namespace
}  // namespace slipway::storage
