# SPDX-License-Identifier: GPL-2.0-or-later
"""
The video that the lab publishes: H.264 and AAC, with a frame counter burnt in, encoded once and
kept in the cache folder, so that publishing costs no more than reading a file.
"""

import os
import subprocess

from . import daemons

# Rate (Mbit/s): size of the picture. The noise makes the encoder need what it is given.
VARIANTS = {1: "640x360", 8: "1280x720"}
CLIP_SECONDS = 20
FONTS = ("/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf",
         "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
         "/usr/share/fonts/truetype/liberation/LiberationMono-Regular.ttf")
PAYLOADS = {96: "H.264 video", 97: "AAC audio"}  # as ffmpeg's RTSP publisher numbers them


def clip(cache, rate, say=lambda text: None):
    """The file of a variant, encoded if it is not in the cache yet."""
    if rate not in VARIANTS:
        raise ValueError(f"rate {rate} Mbit/s: there are {', '.join(map(str, VARIANTS))}")
    path = os.path.join(cache, f"clip-{rate}mbit.mp4")
    if os.path.exists(path):
        return path
    say(f"encoding {CLIP_SECONDS} s of H.264/AAC at {rate} Mbit/s, once")
    counter = ""
    font = next((f for f in FONTS if os.path.exists(f)), None)
    if font:
        counter = (f",drawtext=fontfile={font}:text='%{{frame_num}}':fontsize=h/8:fontcolor=white:"
                   "box=1:boxcolor=black:x=(w-text_w)/2:y=h/12")
    video_rate = f"{rate * 1000}k"
    temporary = f"{path}.{os.urandom(4).hex()}.tmp"  # several labs may encode it at once
    command = [
        daemons.find("ffmpeg"), "-nostdin", "-loglevel", "error", "-y",
        "-f", "lavfi", "-i", f"testsrc2=size={VARIANTS[rate]}:rate=25",
        "-f", "lavfi", "-i", "sine=frequency=440:beep_factor=4:sample_rate=48000",
        "-t", str(CLIP_SECONDS), "-vf", f"noise=alls=12:allf=t{counter}",
        "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-bf", "0", "-g", "50",
        "-b:v", video_rate, "-minrate", video_rate, "-maxrate", video_rate,
        "-bufsize", f"{rate * 500}k", "-x264-params", "nal-hrd=cbr",
        "-c:a", "aac", "-b:a", "96k", "-ac", "2", "-movflags", "+faststart", "-f", "mp4", temporary]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    os.replace(temporary, path)
    return path


def film(cache, rate, seconds, path, say=lambda text: None):
    """The clip's beginning as an MPEG-TS file, as it is on a master site."""
    subprocess.run([daemons.find("ffmpeg"), "-nostdin", "-loglevel", "error", "-y", "-i",
                    clip(cache, rate, say), "-t", str(seconds), "-c", "copy", "-f", "mpegts", path],
                   check=True, stdin=subprocess.DEVNULL)
    return path


def publish_command(file, url):
    """ffmpeg's command line that sends the clip, over and over, in real time, as it is."""
    return [daemons.find("ffmpeg"), "-nostdin", "-hide_banner", "-loglevel", "warning", "-re",
            "-stream_loop", "-1", "-i", file, "-c", "copy", "-f", "rtsp", "-rtsp_transport", "udp",
            url]
