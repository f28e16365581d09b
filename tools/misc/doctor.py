"""Says what is installed, what works here, and how to mend what does not.

    python tools/misc/doctor.py
    python tools/misc/doctor.py configs/fcn/CONFIG.py   # its types, weights and data too

The exit code is 0 if there is no fault, 1 if there is one, 2 after an error.
"""
import subprocess
import sys

if __name__ == '__main__':
    try:
        from fcn_plugin.cli import main
    except Exception as error:  # whatever a broken installation raises
        done = subprocess.run([sys.executable, '-m', 'pip', 'check'], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        print(f'FAULT fcn_plugin cannot be imported: {type(error).__name__}: {error}\n'
              f'pip check says: {done.stdout.strip()}\n'
              f'fix: {sys.executable} -m pip install -c constraints.txt -e .')
        sys.exit(1)
    main('doctor', __doc__)
