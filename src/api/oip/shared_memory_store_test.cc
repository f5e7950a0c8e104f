// SPDX-License-Identifier: Apache-2.0
// Regions of shared memory, over real files.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "api/oip/shared_memory.h"
#include "storage/folder_testing.h"

namespace slipway::api::oip {
namespace {

using base::Code;
using inference::DataType;
using inference::Tensor;
using ::testing::ElementsAre;

class OipSharedMemory : public ::testing::Test {
 protected:
  void Put(const std::string& name, const std::string& bytes) {
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
  }
  std::string Get(const std::string& name) {
    std::ifstream file(folder_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  SharedPart Part(const std::string& region, uint64_t offset, uint64_t bytes) {
    auto part = regions_.Find(region, offset, bytes, FieldPath("parameters"));
    CHECK(part.ok(), part.status().ToString());
    return std::move(part).TakeValue();
  }

  storage::TestFolder folder_;
  SharedRegions regions_{"loopback", folder_.path()};
};

TEST_F(OipSharedMemory, ReadsAndWritesWithinARegion) {
  std::string bytes(16, '\0');
  const std::vector<float> values = {0, 1.5F, 2.5F, 0};
  std::memcpy(bytes.data(), values.data(), bytes.size());
  Put("one", bytes);
  ASSERT_TRUE(regions_.Register("r", "/one", 4, 12).ok());
  const auto tensor = Part("r", 0, 8).Read(DataType::kFp32, {2}, FieldPath("x"));
  ASSERT_TRUE(tensor.ok()) << tensor.status().ToString();
  EXPECT_THAT(tensor->As<float>(), ElementsAre(1.5F, 2.5F));
  ASSERT_TRUE(Part("r", 8, 4).Write(Tensor::Of<float>({1}, {7}), FieldPath("y")).ok());
  float last = 0;
  std::memcpy(&last, Get("one").data() + 12, 4);
  EXPECT_EQ(last, 7);
  EXPECT_EQ(Part("r", 0, 4).Write(Tensor::Of<float>({2}, {1, 2}), FieldPath("y")).field(), "y");
}

TEST_F(OipSharedMemory, ReadsTexts) {
  Put("one", std::string("\3\0\0\0abc\0\0\0\0", 11));
  ASSERT_TRUE(regions_.Register("r", "one", 0, 11).ok());
  const auto tensor = Part("r", 0, 11).Read(DataType::kString, {2}, FieldPath("x"));
  ASSERT_TRUE(tensor.ok()) << tensor.status().ToString();
  EXPECT_THAT(tensor->strings(), ElementsAre("abc", ""));
  EXPECT_FALSE(Part("r", 0, 5).Read(DataType::kString, {2}, FieldPath("x")).ok());
}

TEST_F(OipSharedMemory, RefusesWhatIsNotThere) {
  Put("one", "12345678");
  ASSERT_EQ(mkdir((folder_ / "folder").c_str(), 0700), 0);
  ASSERT_EQ(symlink((folder_ / "one").c_str(), (folder_ / "link").c_str()), 0);
  const struct {
    const char* key;
    uint64_t offset, bytes;
    const char* field;
  } table[] = {
      {"", 0, 1, "key"},
      {"/", 0, 1, "key"},
      {"..", 0, 1, "key"},
      {"/a/b", 0, 1, "key"},
      {"../one", 0, 1, "key"},
      {"link", 0, 1, "key"},
      {"folder", 0, 1, "key"},
      {"slipway-x", 0, 1, "key"},
      {"one", 0, 0, "byte_size"},
      {"one", 0, 9, "byte_size"},
      {"one", 8, 1, "byte_size"},
      {"one", ~0ULL, 2, "offset"},
      {"one", 1, ~0ULL, "byte_size"},
  };
  for (const auto& one : table) {
    const auto status = regions_.Register("r", one.key, one.offset, one.bytes);
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << one.key;
    EXPECT_EQ(status.field(), one.field) << one.key;
  }
  EXPECT_EQ(regions_.Register("r", "nobody", 0, 1).code(), Code::kNotFound);
  EXPECT_EQ(regions_.Register("", "one", 0, 1).field(), "name");
  ASSERT_TRUE(regions_.Register("r", "one", 0, 8).ok());
  EXPECT_EQ(regions_.Register("r", "one", 0, 8).code(), Code::kAlreadyExists);
  const FieldPath field("parameters");
  EXPECT_EQ(regions_.Find("z", 0, 1, field).status().field(), "parameters.shared_memory_region");
  EXPECT_EQ(regions_.Find("r", 9, 0, field).status().field(), "parameters.shared_memory_offset");
  EXPECT_EQ(regions_.Find("r", 4, 5, field).status().field(), "parameters.shared_memory_byte_size");
}

TEST_F(OipSharedMemory, OutlivesACallerWhoCutsItsMemoryShort) {
  Put("one", std::string(4096, 'x'));
  ASSERT_TRUE(regions_.Register("r", "one", 0, 4096).ok());
  const SharedPart part = Part("r", 0, 4096);
  ASSERT_EQ(truncate((folder_ / "one").c_str(), 100), 0);
  const auto read = part.Read(DataType::kUint8, {4096}, FieldPath("x"));
  EXPECT_EQ(read.status().code(), Code::kInvalidArgument);
  EXPECT_EQ(part.Write(Tensor(DataType::kUint8, {4096}), FieldPath("y")).field(), "y");
  EXPECT_EQ(Get("one").size(), 100);
}

TEST_F(OipSharedMemory, ServesRequestsThatHoldARegionPastItsEnd) {
  Put("one", "12345678");
  ASSERT_TRUE(regions_.Register("r", "one", 0, 8).ok());
  const SharedPart part = Part("r", 0, 8);
  regions_.Unregister("r");
  EXPECT_FALSE(regions_.Find("r", 0, 8, FieldPath("p")).ok());
  EXPECT_TRUE(part.Read(DataType::kUint8, {8}, FieldPath("x")).ok());
  EXPECT_EQ(regions_.List("r").status().code(), Code::kNotFound);
  EXPECT_TRUE(regions_.List("").ok());
}

TEST(OipSharedMemoryAccess, IsForCallersOnThisMachine) {
  for (const char* here : {"127.0.0.1:50412", "[::1]:7", "ipv4:127.0.0.1:9", "ipv6:%5B::1%5D:9",
                           "unix:/run/x", "ipv6:[::ffff:127.0.0.1]:9"}) {
    EXPECT_TRUE(SharedRegions("loopback").Allow(AddressOf(here)).ok()) << AddressOf(here);
    EXPECT_EQ(SharedRegions("off").Allow(AddressOf(here)).code(), Code::kPermissionDenied);
  }
  for (const char* away : {"10.0.0.1:80", "ipv4:192.168.127.1:9", "[2001:db8::1]:9", ""}) {
    EXPECT_EQ(SharedRegions("loopback").Allow(AddressOf(away)).code(), Code::kPermissionDenied);
    EXPECT_TRUE(SharedRegions("on").Allow(AddressOf(away)).ok());
  }
}

}  // namespace
}  // namespace slipway::api::oip
