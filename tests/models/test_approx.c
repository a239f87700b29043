/* Lists of approximations. */
#include "models/model.h"
#include "ops/ops.h"
#include "tests/support/scratch.h"

TestSuite(approx, .init = scratch_make, .fini = scratch_remove);

Test(approx, presets_and_lists) {
    works(tf_ops_register());
    tf_approx a;
    works(tf_approx_parse("exact", &a));
    cr_assert_str_eq(tf_approx_variant(&a, "gelu", 0), "exact");
    cr_assert_str_eq(tf_approx_variant(&a, "layernorm", -1), "exact");
    works(tf_approx_parse("paper", &a));
    cr_assert_str_eq(tf_approx_variant(&a, "gelu", 3), "relu");
    cr_assert_str_eq(tf_approx_variant(&a, "softmax", 3), "relu");
    cr_assert_str_eq(tf_approx_variant(&a, "layernorm", 3), "center");
    works(tf_approx_parse("gelu=relu", &a)); /* the rest is exact */
    cr_assert_str_eq(tf_approx_variant(&a, "gelu", 0), "relu");
    cr_assert_str_eq(tf_approx_variant(&a, "softmax", 0), "exact");
    works(tf_approx_parse("puma", &a));
    cr_assert_str_eq(tf_approx_variant(&a, "gelu", 0), "puma");
    cr_assert_str_eq(tf_approx_variant(&a, "softmax", 0), "exact");
    works(tf_approx_parse("mpcformer,layernorm=center", &a));
    cr_assert_str_eq(tf_approx_variant(&a, "gelu", 0), "quad");
    cr_assert_str_eq(tf_approx_variant(&a, "softmax", 0), "2quad");
    cr_assert_str_eq(tf_approx_variant(&a, "layernorm2", 0), "center");
}

Test(approx, layernorms_of_a_block_apart) {
    works(tf_ops_register());
    tf_approx a;
    works(tf_approx_parse("layernorm1=center,layernorm2@1=center,layernorm1@3=exact,layernorm@2=exact", &a));
    static const char *const wanted[][2] = {
        {"center", "exact"}, {"center", "center"}, {"exact", "exact"}, {"exact", "exact"}};
    for (int layer = 0; layer < 4; layer++) {
        cr_assert_str_eq(tf_approx_variant(&a, "layernorm1", layer), wanted[layer][0]);
        cr_assert_str_eq(tf_approx_variant(&a, "layernorm2", layer), wanted[layer][1]);
    }
    cr_assert_str_eq(tf_approx_variant(&a, "layernorm", -1), "exact"); /* the embedding's is neither */
    works(tf_approx_parse("layernorm1=center,layernorm=exact", &a));   /* the later covers the earlier */
    cr_assert_str_eq(tf_approx_variant(&a, "layernorm1", 0), "exact");
}

Test(approx, parameters) {
    works(tf_ops_register());
    tf_approx a;
    works(tf_approx_parse("softmax=power:4,softmax@1=power", &a));
    cr_assert_eq(tf_approx_find(&a, "softmax", 0)->parameter, 4);
    cr_assert_eq(tf_approx_find(&a, "softmax", 1)->parameter, 0);
    cr_assert_str_eq(tf_approx_variant(&a, "softmax", 0), "power");
}

/* What three parties compare, and what config.json may record. */
Test(approx, one_text_for_one_meaning) {
    works(tf_ops_register());
    static const char *const same[][2] = {
        {"exact", "layernorm=exact,gelu=exact"},
        {"paper", "softmax=relu,layernorm2@1=exact,gelu=relu,layernorm=exact,layernorm@1=center,layernorm=center,"
                  "layernorm@1=center"},
        {"softmax=power:4,layernorm@-1=center", "layernorm@-1=center,softmax=2quad,softmax=power:4.0"},
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        tf_approx a, b;
        char left[TF_APPROX_TEXT], right[TF_APPROX_TEXT];
        works(tf_approx_parse(same[i][0], &a));
        works(tf_approx_parse(same[i][1], &b));
        if (i == 1) works(tf_approx_parse("paper,layernorm@1=center", &a));
        cr_assert_str_eq(tf_approx_text(&a, left), tf_approx_text(&b, right));
        works(tf_approx_parse(left, &b));
        cr_assert_str_eq(tf_approx_text(&b, right), left);
    }
}

Test(approx, names_what_the_weights_were_not_trained_for) {
    works(tf_ops_register());
    static const char *const cases[][3] = {
        /* used, trained for, named */
        {"exact", "exact", ""},
        {"paper", "paper", ""},
        {"puma,gelu@1=poly4", "exact", ""}, /* close enough to serve without training */
        {"exact", "puma", ""},
        {"paper", "exact", "layernorm@-1=center, gelu=relu, softmax=relu, layernorm1=center, layernorm2=center"},
        {"gelu=quad", "gelu=relu", "gelu=quad"},
        {"exact", "gelu=relu", "gelu=exact"},
        {"gelu@1=quad,layernorm1@0=center", "exact", "gelu@1=quad, layernorm1@0=center"},
        {"softmax=power:4", "softmax=power", "softmax=power:4"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tf_approx used, trained;
        char text[TF_APPROX_TEXT];
        works(tf_approx_parse(cases[i][0], &used));
        works(tf_approx_parse(cases[i][1], &trained));
        cr_assert_eq(tf_approx_untrained(&used, &trained, 2, text), *cases[i][2] != 0);
        cr_assert_str_eq(text, cases[i][2]);
    }
}

Test(approx, layers_of_their_own) {
    works(tf_ops_register());
    tf_approx a;
    works(tf_approx_parse("paper,softmax=exact,layernorm@11=exact,layernorm@-1=exact,gelu@11=exact,gelu@11=relu", &a));
    cr_assert_str_eq(tf_approx_variant(&a, "softmax", 11), "exact");
    cr_assert_str_eq(tf_approx_variant(&a, "layernorm", 11), "exact");
    cr_assert_str_eq(tf_approx_variant(&a, "layernorm", 10), "center");
    cr_assert_str_eq(tf_approx_variant(&a, "layernorm", -1), "exact");
    cr_assert_str_eq(tf_approx_variant(&a, "gelu", 11), "relu"); /* the later of two */
}

Test(approx, wrong_lists) {
    works(tf_ops_register());
    static const char *const cases[][2] = {
        {"", "empty item"},
        {"exact,", "empty item"},
        {",gelu=relu", "empty item"},
        {"best", "unknown preset 'best'; known are exact, paper, puma, mpcformer, or KIND=VARIANT"},
        {"gelu=relu,paper", "'paper' may only come first"},
        {"tanh=exact", "unknown kind 'tanh'; known are gelu, softmax, layernorm, layernorm1"},
        {"=exact", "unknown kind ''"},
        {"gelu=", "'' is not a variant of gelu"},
        {"gelu=abcdefghijklmnopqrstuvwxyz", "not a variant of gelu"},
        {"gelu=best", "unknown variant 'best' of gelu; known are exact, relu, poly4, puma, quad"},
        {"layernorm@1=best", "unknown variant 'best' of layernorm; known are exact, center"},
        {"layernorm2@1=best", "unknown variant 'best' of layernorm; known are exact, center"},
        {"layernorm3=exact", "unknown kind 'layernorm3'"},
        {"gelu=exact:2", "gelu exact has no parameter, such as 2"},
        {"softmax=power:", "'' is not a number above 0"},
        {"softmax=power:x", "'x' is not a number above 0"},
        {"softmax=power:nan", "'nan' is not a number above 0"},
        {"layernorm@=exact", "'' is not a layer"},
        {"layernorm@-2=exact", "'-2' is not a layer"},
        {"layernorm@1x=exact", "'1x' is not a layer"},
        {"layernorm@99999999999999999999=exact", "is not a layer"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tf_approx a;
        cr_assert_eq(tf_approx_parse(cases[i][0], &a), TF_INVALID, "%s", cases[i][0]);
        cr_assert(strstr(tf_error(), cases[i][1]), "%s lacks %s", tf_error(), cases[i][1]);
    }
    tf_approx a;
    char many[4096] = "exact";
    for (int i = 0; i < 126; i++) snprintf(many + strlen(many), sizeof many - strlen(many), ",gelu@%d=relu", i);
    fails(tf_approx_parse(many, &a), TF_INVALID, "more than 128");
    char endless[8192];
    memset(endless, 'x', sizeof endless - 1);
    endless[sizeof endless - 1] = 0;
    fails(tf_approx_parse(endless, &a), TF_INVALID, "too long");
}
