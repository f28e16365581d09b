"""A Hugging Face hub of one process: what huggingface_hub asks of one, over real HTTP."""
import base64
import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Handler(BaseHTTPRequestHandler):

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        # /user/name/resolve/revision/file
        parts = self.path.strip('/').split('/')
        commits = self.server.repos.get('/'.join(parts[:2]))
        if len(parts) != 5 or commits is None:
            return self._answer(404, b'', {'X-Error-Code': 'RepoNotFound'})
        commit = list(commits)[-1] if parts[3] == 'main' else parts[3]
        if commit not in commits:
            return self._answer(404, b'', {'X-Error-Code': 'RevisionNotFound'})
        content, known = commits[commit].get(parts[4]), {'X-Repo-Commit': commit}
        if content is None:
            return self._answer(404, b'', {'X-Error-Code': 'EntryNotFound', **known})
        self._answer(200, content, {'ETag': f'"{hashlib.sha1(content).hexdigest()}"', **known})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get('Content-Length') or 0)) or self._chunks()
        if self.path == '/api/validate-yaml':
            return self._json({})
        if self.headers.get('Authorization') != 'Bearer writer':
            return self._answer(401, b'', {'X-Error-Message': 'Invalid username or password.'})
        if self.path == '/api/repos/create':
            asked = json.loads(body)
            name = f'{asked["organization"]}/{asked["name"]}'
            self.server.repos.setdefault(name, {})
            return self._json({'url': f'{self.server.address}/{name}'})
        _, _, user, name, what, _ = self.path.strip('/').split('/')
        if what == 'preupload':
            return self._json({'files': [
                dict(path=file['path'], uploadMode='regular', shouldIgnore=False)
                for file in json.loads(body)['files']]})
        lines = [json.loads(line) for line in body.splitlines()]
        files = {line['value']['path']: base64.b64decode(line['value']['content'])
                 for line in lines if line['key'] == 'file'}
        commit = self.server.add(f'{user}/{name}', files)
        self._json({'commitOid': commit, 'success': True,
                    'commitUrl': f'{self.server.address}/{user}/{name}/commit/{commit}'})

    def _chunks(self):
        body = b''
        if self.headers.get('Transfer-Encoding') == 'chunked':
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
        return body

    def _json(self, content):
        self._answer(200, json.dumps(content).encode(), {'Content-Type': 'application/json'})

    def _answer(self, status, content, headers):
        self.send_response(status)
        for name, value in {**headers, 'Content-Length': str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(content)


class Hub(ThreadingHTTPServer):
    """Its ``repos`` are files by name, by commit, by 'user/name'."""
    daemon_threads = True

    def __init__(self):
        super().__init__(('127.0.0.1', 0), _Handler)
        self.address = f'http://127.0.0.1:{self.server_address[1]}'
        self.repos = {}

    def add(self, name, files):
        """One more commit of a repository; returns its name."""
        commits = self.repos.setdefault(name, {})
        commit = hashlib.sha1(f'{name}{len(commits)}'.encode()).hexdigest()
        commits[commit] = {**(list(commits.values())[-1] if commits else {}), **files}
        return commit


@contextmanager
def running_hub():
    with Hub() as hub:
        threading.Thread(target=hub.serve_forever, daemon=True).start()
        yield hub
        hub.shutdown()
