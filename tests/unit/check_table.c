/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nearctl's tables: any answer as people read it. */
#include "nearctl/table.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/run.h"

static void expect_in(int width, const char *json, const char *text)
{
	char err[160], *got = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&got, &n);
	struct js *v = js_parse(slice_of(json), err);

	ck_assert_msg(v != NULL, "%s: %s", json, err);
	table_print(f, v, width);
	fclose(f);
	ck_assert_str_eq(got, text);
	free(got);
	js_free(v);
}

static void expect(const char *json, const char *text)
{
	expect_in(0, json, text);
}

START_TEST(test_facts_are_aligned)
{
	expect("{\"name\": \"arn804\", \"state\": \"serving\", \"requests\": 12, \"drained\": "
	       "false,"
	       " \"block\": null, \"load\": 0.25}",
		"name:     arn804\n"
		"state:    serving\n"
		"requests: 12\n"
		"drained:  no\n"
		"block:    -\n"
		"load:     0.25\n");
}
END_TEST

START_TEST(test_things_are_a_table_with_numbers_to_the_right)
{
	expect("{\"nodes\": [{\"name\": \"sn9\", \"sessions\": 5, \"note\": \"a\"},"
	       " {\"name\": \"sn806-long\", \"sessions\": 1200, \"note\": null},"
	       " {\"name\": \"x\", \"sessions\": 0}]}",
		"NAME        SESSIONS  NOTE\n"
		"sn9                5  a\n"
		"sn806-long      1200  -\n"
		"x                  0  -\n");
}
END_TEST

START_TEST(test_table_that_is_too_wide_goes_without_columns_that_say_nothing)
{
	const char *json =
		"{\"nodes\": [{\"id\": \"sn1\", \"far\": false, \"kbps\": 0, \"up\": true},"
		" {\"id\": \"sn2\", \"far\": null, \"kbps\": 7, \"up\": true}]}";
	const char *whole = "ID   FAR  KBPS  UP\n"
			    "sn1  no      0  yes\n"
			    "sn2  -       7  yes\n";

	expect_in(19, json, whole);
	expect_in(18, json,
		"ID   KBPS  UP\n"
		"sn1     0  yes\n"
		"sn2     7  yes\n"
		"(without columns that have only 0, no and -: see --json)\n");
	expect_in(1, "[{\"a\": 0, \"b\": false}]", "A  B\n0  no\n");
}
END_TEST

START_TEST(test_column_with_text_in_it_stands_left)
{
	expect("[{\"a\": 1, \"b\": 2}, {\"a\": \"none\", \"b\": 3}]", "A     B\n"
								      "1     2\n"
								      "none  3\n");
}
END_TEST

START_TEST(test_members_that_not_all_have_are_columns_too)
{
	expect("[{\"a\": 1}, {\"b\": \"x\"}]", "A  B\n"
					       "1  -\n"
					       "-  x\n");
}
END_TEST

START_TEST(test_what_lies_deeper_follows_under_its_name)
{
	expect("{\"name\": \"n\", \"rtp\": {\"packets\": 5, \"by\": {\"x\": 1}},"
	       " \"list\": [1, \"two\"], \"nodes\": [{\"id\": 1}], \"port\": 554}",
		"name: n\n"
		"list: 1, two\n"
		"port: 554\n"
		"rtp:\n"
		"  packets: 5\n"
		"  by:\n"
		"    x: 1\n"
		"nodes:\n"
		"  ID\n"
		"   1\n");
}
END_TEST

START_TEST(test_nested_values_in_a_cell_are_json_and_lists_are_plain)
{
	expect("[{\"a\": [1, 2], \"b\": {\"x\": 1}, \"c\": []}]", "A     B    C\n"
								  "1, 2  x 1  -\n");
	expect("[{\"path\": \"/news\", \"media\": [{\"kind\": \"video\", \"lost\": 0},"
	       " {\"kind\": \"audio\", \"lost\": 1}]}]",
		"PATH   MEDIA\n"
		"/news  kind video, lost 0; kind audio, lost 1\n");
}
END_TEST

START_TEST(test_empty_answers_say_so)
{
	expect("{\"nodes\": []}", "none\n");
	expect("{}", "");
	expect("{\"name\": \"x\", \"nodes\": []}", "name:  x\n"
						   "nodes: -\n");
}
END_TEST

START_TEST(test_scalars_stand_alone)
{
	expect("\"text\"", "text\n");
	expect("5", "5\n");
}
END_TEST

START_TEST(test_width_counts_characters)
{
	expect("[{\"k\": \"grün\", \"v\": \"a\"}, {\"k\": \"x\", \"v\": \"b\"}]", "K     V\n"
										  "grün  a\n"
										  "x     b\n");
}
END_TEST

START_TEST(test_peers_text_cannot_command_the_terminal)
{
	expect("{\"agent\": \"a\\u001b[2Jb\\nc\\u0085d\\u007f\"}", "agent: a?[2Jb?c?d?\n");
	expect("{\"k\\u001b\": 1}", "k?: 1\n");
}
END_TEST

START_TEST(test_long_text_is_cut_at_a_whole_character)
{
	char json[2000] = "\"", want[600] = "";

	for (int i = 0; i < 400; i++)
		strcat(json, "€");
	strcat(json, "\"");
	for (int i = 0; i < 170; i++)
		strcat(want, "€");
	strcat(want, "\n");
	expect(json, want);
}
END_TEST

START_TEST(test_depth_is_bounded)
{
	char json[4000] = "", err[160], *got = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&got, &n);
	struct js *v;

	for (int i = 0; i < 200; i++)
		strcat(json, "{\"k\":");
	strcat(json, "1");
	for (int i = 0; i < 200; i++)
		strcat(json, "}");
	v = js_parse(slice_of(json), err);
	ck_assert_ptr_nonnull(v);
	table_print(f, v, 0);
	fclose(f);
	ck_assert_uint_lt(n, 2000);
	free(got);
	js_free(v);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("table");

	tcase_add_test(t, test_facts_are_aligned);
	tcase_add_test(t, test_things_are_a_table_with_numbers_to_the_right);
	tcase_add_test(t, test_table_that_is_too_wide_goes_without_columns_that_say_nothing);
	tcase_add_test(t, test_column_with_text_in_it_stands_left);
	tcase_add_test(t, test_members_that_not_all_have_are_columns_too);
	tcase_add_test(t, test_what_lies_deeper_follows_under_its_name);
	tcase_add_test(t, test_nested_values_in_a_cell_are_json_and_lists_are_plain);
	tcase_add_test(t, test_empty_answers_say_so);
	tcase_add_test(t, test_scalars_stand_alone);
	tcase_add_test(t, test_width_counts_characters);
	tcase_add_test(t, test_peers_text_cannot_command_the_terminal);
	tcase_add_test(t, test_long_text_is_cut_at_a_whole_character);
	tcase_add_test(t, test_depth_is_bounded);
	return run_case("table", t);
}
