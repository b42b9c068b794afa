// SPDX-License-Identifier: GPL-2.0-or-later
int LLVMFuzzerTestOneInput(const unsigned char *data, unsigned long len);
int main(void)
{
	return LLVMFuzzerTestOneInput((const unsigned char *)"", 0);
}
