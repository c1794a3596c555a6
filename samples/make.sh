#!/bin/sh
# Makes every sample of this folder anew: `sh samples/make.sh`. Needs ffmpeg with libx264 and libx265, and python3.
# The results are committed, so nobody needs to run this; another ffmpeg version gives other bytes of the same meaning.
set -eu
cd "$(dirname "$0")"

# Reproducible: no dates, no encoder names, one thread.
ff() { ffmpeg -nostdin -loglevel error -y "$@"; }
exact="-map_metadata -1 -fflags +bitexact -flags:v +bitexact -flags:a +bitexact -threads 1"
h264="-c:v libx264 -preset veryslow -crf 34 -pix_fmt yuv420p"

# shellcheck disable=SC2086 # the option lists above are meant to be split
{
    # Clean: colour bars and a tone, index first, as for the web.
    ff -f lavfi -i smptebars=size=320x180:rate=25 -f lavfi -i sine=frequency=440 -t 4 \
        $h264 -c:a aac -b:a 32k -movflags +faststart $exact clean-bars.mp4

    # Clean, with a name that breaks careless URL handling; index last.
    ff -f lavfi -i testsrc2=size=256x144:rate=20 -t 2 $h264 -an $exact 'a b+c%20 🎬 ..clean.mp4'

    # Clean QuickTime.
    ff -f lavfi -i testsrc2=size=320x240:rate=24 -f lavfi -i sine=frequency=330 -t 3 \
        $h264 -c:a aac -b:a 32k -f mov $exact clean-quicktime.mov

    # Clean, fragmented: no durations in the index.
    ff -f lavfi -i mandelbrot=size=256x144:rate=15 -t 3 $h264 -g 15 -an \
        -movflags +frag_keyframe+empty_moov+default_base_moof $exact clean-fragmented.mp4

    # Violent: its labels file has more than 1,000 rows.
    ff -f lavfi -i life=size=160x90:rate=10:mold=10:ratio=0.1:seed=7:death_color=red:life_color=white -t 6 \
        $h264 -an $exact violent.mp4

    # Borderline: everything in its labels file is below the default threshold.
    ff -f lavfi -i smptehdbars=size=320x180:rate=25 -t 3 $h264 -an $exact borderline.mp4

    # Over the threshold by a hair.
    ff -f lavfi -i rgbtestsrc=size=320x180:rate=25 -t 3 $h264 -an $exact barely-over.mp4

    # HEVC.
    ff -f lavfi -i testsrc2=size=256x144:rate=20 -t 2 -c:v libx265 -x265-params log-level=error:pools=1:info=0 \
        -crf 34 -pix_fmt yuv420p -tag:v hvc1 -an $exact hevc.mp4

    # Two video tracks, both H.264.
    ff -f lavfi -i testsrc2=size=256x144:rate=20 -f lavfi -i smptebars=size=256x144:rate=20 -t 2 \
        -map 0:v -map 1:v $h264 -an $exact two-video-tracks.mp4
}

printf 'Shot list, second draft.\n1. The harbour at dawn.\n2. Cut to the kitchen; nobody speaks.\n' > notes.mp4
: > empty.mp4

python3 - <<'PY'
import json

def write(name, rows, **job):
    """One label a line, so that a diff shows which one changed."""
    body = ",\n    ".join(json.dumps(row) for row in rows)
    extra = f',\n  "job": {json.dumps(job)}' if job else ""
    with open(name, "w") as out:
        out.write('{\n  "modelVersion": "7.0",\n  "labels": [\n    ' + body + "\n  ]" + extra + "\n}\n")

# 480 short sightings that do not touch, so that neither moments nor segments merge. Each is reported with its two parents:
# some 1,440 rows, two pages.
rows = []
for n in range(480):
    start = round(n / 80, 4)
    rows.append({"name": "Weapon Violence", "confidence": round(70 + n * 7 % 280 / 10, 1),
                 "start": round(start, 3), "end": round(start + 0.005, 3)})
rows.append({"name": "Explosions and Blasts", "confidence": 99.1, "start": 2.0, "end": 3.5})
rows.append({"name": "Drinking", "confidence": 61.5, "start": 4.0, "end": 4.5,
             "contentTypes": [{"name": "Animated", "confidence": 88.0}]})
write("violent.labels.json", rows)

write("borderline.labels.json", [
    {"name": "Alcoholic Beverages", "confidence": 49.9, "start": 0.5, "end": 1.5},
    {"name": "Bare Back", "confidence": 33.0, "start": 1.0},
    {"name": "Gambling", "confidence": 12.5, "start": 2.0, "end": 2.5},
])
write("barely-over.labels.json", [
    {"name": "Smoking", "confidence": 50.1, "start": 1.0, "end": 1.5},
    {"name": "Middle Finger", "confidence": 49.0, "start": 2.0},
])
PY
