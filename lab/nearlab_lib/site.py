# SPDX-License-Identifier: GPL-2.0-or-later
"""
The lab's web site, which content comes from over HTTP: an nginx with files, and a line in its log for
each request. It is where the SRV records of the service lead.
"""

FOLDER = "run/site"

CONF = """daemon off;
worker_processes 1;
user root;
pid /run/site/nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
	client_body_temp_path /run/site/temp;
	proxy_temp_path /run/site/temp;
	fastcgi_temp_path /run/site/temp;
	uwsgi_temp_path /run/site/temp;
	scgi_temp_path /run/site/temp;
	log_format asked '$remote_addr $request_uri $status';
	access_log /run/site/asked asked;
	server {{
		listen {address}:80;
		root /run/site/files;
		add_header Cache-Control "max-age=60";
	}}
}}
"""


def asked(node, path):
    """How often its site was asked for a path, for all of it or a part."""
    try:
        with open(node.file(f"{FOLDER}/asked"), encoding="ascii", errors="replace") as file:
            return sum(line.split()[1] == path for line in file)
    except FileNotFoundError:
        return 0
