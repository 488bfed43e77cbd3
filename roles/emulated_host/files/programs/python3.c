// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The Python that Ansible finds on an emulated host: has its program run by a fork
 * of a Python that is up already (emulated_host_forkserver.py), where starting one
 * takes a second and more under software emulation.
 *
 * What the server is not for is run by Python itself: programs of other users,
 * programs at a terminal, options of Python and variables for it, and all of them
 * where no server is there.
 *
 * A signal to this process does not reach the program, which has a session of its own.
 *
 * One message goes out: umask, folder, number of arguments, arguments, environment,
 * a null byte after each, and with it the descriptors 0, 1 and 2. One comes back:
 * how the program ended, as waitpid() tells it.
 */

#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define PYTHON "/usr/bin/python3"
#define SERVER "/run/emulated-host/python.sock"
#define DESCRIPTORS 3

extern char **environ;

static char message[1 << 17];
static size_t length;

static int put(const char *text)
{
	size_t size = strlen(text) + 1;

	if (size > sizeof(message) - length)
		return -1;
	memcpy(message + length, text, size);
	length += size;
	return 0;
}

static int put_number(unsigned int number)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", number);
	return put(text);
}

static int for_python(int argc, char **argv)
{
	if (geteuid() || isatty(0) || (argc > 1 && argv[1][0] == '-'))
		return 1;
	for (char **variable = environ; *variable; variable++)
		if (!strncmp(*variable, "PYTHON", 6))
			return 1;
	return 0;
}

static int put_program(int argc, char **argv)
{
	mode_t mask = umask(0);
	char folder[4096];

	umask(mask);
	if (!getcwd(folder, sizeof(folder)))
		return -1;
	if (put_number(mask) || put(folder) || put_number(argc - 1))
		return -1;
	for (int index = 1; index < argc; index++)
		if (put(argv[index]))
			return -1;
	for (char **variable = environ; *variable; variable++)
		if (put(*variable))
			return -1;
	return 0;
}

static int send_message(int server)
{
	static const int descriptors[DESCRIPTORS] = { 0, 1, 2 };
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(descriptors))];
	} rights = { 0 };
	struct iovec text = { message, length };
	struct msghdr all = {
		.msg_iov = &text,
		.msg_iovlen = 1,
		.msg_control = rights.room,
		.msg_controllen = sizeof(rights.room),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&all);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(descriptors));
	memcpy(CMSG_DATA(header), descriptors, sizeof(descriptors));
	return sendmsg(server, &all, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static int ended(int server)
{
	int status;

	/* Whoever reads what the program prints is to see its end, not ours. */
	close(0);
	close(1);
	if (recv(server, &status, sizeof(status), 0) != sizeof(status))
		return 255;
	if (WIFSIGNALED(status)) {
		signal(WTERMSIG(status), SIG_DFL);
		raise(WTERMSIG(status));
		/* It is blocked: told as a shell tells it. */
		return 128 + WTERMSIG(status);
	}
	return WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = SERVER };
	int server;

	if (for_python(argc, argv) || put_program(argc, argv))
		goto python;
	server = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (server < 0 || connect(server, (struct sockaddr *)&address, sizeof(address)))
		goto python;
	if (send_message(server))
		goto python;
	return ended(server);
python:
	argv[0] = PYTHON;
	execv(PYTHON, argv);
	perror(PYTHON);
	return 127;
}
