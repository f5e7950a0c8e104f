// SPDX-License-Identifier: Apache-2.0
#include "storage/migrate.h"

#include <gtest/gtest.h>

namespace slipway::storage {
namespace {

TEST(SplitStatements, CutsAtSemicolonsOutsideQuotesAndComments) {
  const auto statements =
      SplitStatements("CREATE a; -- x; y\nINSERT 'it''s; \"' ;/* ; */\n \"odd;name\" z");
  ASSERT_EQ(statements.size(), 3u);
  EXPECT_EQ(statements[0], "CREATE a");
  EXPECT_EQ(statements[1], " -- x; y\nINSERT 'it''s; \"' ");
  EXPECT_EQ(statements[2], "/* ; */\n \"odd;name\" z");
}

TEST(SplitStatements, DropsWhatIsOnlySpaceOrComment) {
  EXPECT_TRUE(SplitStatements("").empty());
  EXPECT_TRUE(SplitStatements(" ; -- nothing\n;/* nothing */;").empty());
  EXPECT_TRUE(SplitStatements("/* never closed").empty());
  EXPECT_EQ(SplitStatements("'never closed; ").size(), 1u);
}

}  // namespace
}  // namespace slipway::storage
