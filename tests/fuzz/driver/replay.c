// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Replaying a corpus without libFuzzer.
 *
 * `make check` must run every input that was ever of interest through every parser, with any
 * compiler. This is the main() that a fuzz target gets unless configured with --enable-fuzzing. It
 * runs each file of the folders (or the files) named on the command line, and each of its prefixes
 * too: a parser of what comes from a network meets the end of its input everywhere. Every input is
 * handed over in a block of exactly its size, so that AddressSanitizer sees one byte too far.
 */

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static struct {
	const char *path; /* of the input that runs now */
	size_t len;       /* bytes of it that were given */
	unsigned long files;
	unsigned long inputs;
} replay;

/* Names the input that broke the target. Called from signal handlers: write() only. */
static void blame(void)
{
	char line[512];
	int n;

	if (!replay.path)
		return;
	n = snprintf(line, sizeof line, "replay: died on the first %zu bytes of %s\n", replay.len,
		replay.path);
	if (n > 0 && write(STDERR_FILENO, line, n < (int)sizeof line ? n : (int)sizeof line) < 0)
		_exit(EX_IOERR);
}

static void die(int sig)
{
	blame();
	signal(sig, SIG_DFL);
	raise(sig);
}

static void run(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	if (!copy)
		abort();
	memcpy(copy, data, len);
	replay.len = len;
	LLVMFuzzerTestOneInput(copy, len);
	replay.inputs++;
	free(copy);
}

static int run_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct stat st;
	uint8_t *data = NULL;
	size_t len = 0;
	int ret = -1;

	if (!file || fstat(fileno(file), &st) < 0)
		goto out;
	data = malloc((size_t)st.st_size + 1);
	if (!data)
		goto out;
	len = fread(data, 1, (size_t)st.st_size, file);
	if (len != (size_t)st.st_size) {
		errno = EIO;
		goto out;
	}
	replay.path = path;
	for (size_t part = 0; part <= len; part++)
		run(data, part);
	replay.path = NULL;
	replay.files++;
	ret = 0;
out:
	if (ret < 0)
		fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
	free(data);
	if (file)
		fclose(file);
	return ret;
}

static int visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int run_path(const char *path)
{
	struct dirent **entries;
	struct stat st;
	int ret = 0;
	int n;

	if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
		return run_file(path);
	n = scandir(path, &entries, visible, alphasort);
	if (n < 0) {
		fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
		return -1;
	}
	for (int i = 0; i < n; i++) {
		char *file = NULL;

		if (asprintf(&file, "%s/%s", path, entries[i]->d_name) < 0 || run_file(file) < 0)
			ret = -1;
		free(file);
		free(entries[i]);
	}
	free(entries);
	return ret;
}

int main(int argc, char **argv)
{
	static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM, SIGTERM};
	int failed = 0;

	if (argc < 2) {
		fprintf(stderr, "usage: %s FILE|FOLDER...\n", argv[0]);
		return EX_USAGE;
	}
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(blame);
	else
		for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
			signal(signals[i], die);
	for (int i = 1; i < argc; i++)
		failed |= run_path(argv[i]) < 0;
	if (replay.files == 0) {
		fprintf(stderr, "replay: no input: the corpus is empty\n");
		failed = 1;
	}
	printf("%lu files, %lu inputs\n", replay.files, replay.inputs);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
